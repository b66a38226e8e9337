// arguments: selectors, after load, unchanged for, at most (milliseconds), long polls: {parts, learned, after}, words of
// what the selectors find, whether this continues the last wait -> promise of {isSettled, isTracked, pending, longPolls, failed}.
// Elements are compared by identity and markup: an element replaced by an equal one is a change, because references to
// the old one are stale.
const [selectors, afterLoad, unchangedFor, atMost, polls, words, isContinued] = arguments;
// what the last wait saw, for the one that continues it: a page that was left in between has none
const KEY = Symbol.for('coupa-batch.settle');
const earlier = isContinued ? window[KEY] : undefined;
// what an answer brings is on the page by then
const SHOWN_AFTER = 250;
const tracker = window[Symbol.for('coupa-batch.requests')];
const MOST = 5000;
const LONGEST = 1000;
const hash = (text) => {
  let sum = 7;
  for (let at = 0; at < text.length; at += 1) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return sum >>> 0;
};
const brief = (text) => (text.length <= LONGEST ? text : text.length + ' ' + hash(text));
const find = () => {
  const found = [];
  for (const css of selectors) {
    const elements = document.querySelectorAll(css);
    if (elements.length > MOST) throw new Error(`${elements.length} elements fit ${css}, and no more than ${MOST} are watched`);
    for (const element of elements) found.push([element, brief(element.outerHTML)]);
  }
  return found;
};
const isSame = (a, b) =>
  a.length === b.length && a.every(([element, html], i) => element === b[i][0] && html === b[i][1]);

// the numbers in the page's own address: a request that names one of them is about what the page shows, and so may be one
// whose body cannot be read
const numbers = (text) => text.match(/[0-9]{2,}/g) || [];
const own = new Set(numbers(location.pathname + location.search));
const has = (text, word) => text.includes(word) || text.includes(encodeURIComponent(word).toLowerCase());
const describe = (request) => {
  if (request.key !== undefined) return request;
  const { url, body } = request;
  // without a number that only keeps an answer from being cached
  const rest = url.search.replace(/[0-9]{9,}|0\.[0-9]{6,}/g, '#') + (body || '');
  const asked = url.pathname + url.search + (body || '');
  request.isOfPage = body === null || numbers(asked).some((number) => own.has(number));
  request.isNamed = words.some((word) => has(asked.toLowerCase(), word));
  request.key = request.method + ' ' + url.host + url.pathname + (rest === '' ? '' : ' ' + hash(rest));
  return request;
};
// may ask for what is looked for
const isAbout = (request) => describe(request).isOfPage || request.isNamed;
const isLongPoll = (request, now) => !isAbout(request) && now - request.started >= polls.after;
const isLearned = (request) => !isAbout(request) && polls.learned.includes(request.key);
const isExcepted = (request) => polls.parts.some((part) => (request.url.pathname + request.url.search).includes(part));
// asks for the same again and again, and it changes nothing
const isRepeated = (request, changedAt, now) => {
  if (isAbout(request) && (request.ended === null || now - request.ended < SHOWN_AFTER)) return false;
  const isSame = (other) => describe(other).key === describe(request).key;
  const before = tracker.requests.filter((other) => other.isGood && other.ended !== null && other.ended <= request.started && other.ended >= changedAt);
  return before.filter(isSame).length >= 2;
};
// calls that were not answered well, and not asked again with success
const failed = () => {
  const calls = tracker ? tracker.requests.filter((request) => request.kind === 'call' && request.ended !== null && !request.isAborted) : [];
  const isFailed = (request) => !request.isGood && (request.status === 0 || request.status >= 400);
  const isMended = (request) => calls.some((other) => other.isGood && other.ended > request.ended && describe(other).key === describe(request).key);
  const found = calls.filter((request) => isFailed(request) && !isExcepted(request) && !isLearned(request) && !isMended(request)).slice(0, 20);
  return found.map((request) => ({ path: tell(request).path, status: request.status, isOfPage: request.isOfPage, isNamed: request.isNamed }));
};
const tell = (request) => ({
  key: describe(request).key.toWellFormed(),
  path: ((request.url.host === location.host ? '' : request.url.host) + request.url.pathname).slice(0, 200).toWellFormed(),
  age: Math.round(performance.now() - request.started),
});

return new Promise((resolve, reject) => {
  const started = performance.now();
  let last, changedAt = started, isDirty = false;
  try {
    last = find();
  } catch (why) {
    return reject(why);
  }
  if (earlier && isSame(last, earlier.last)) changedAt = earlier.changedAt;
  const observer = new MutationObserver(() => { isDirty = true; });
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  const completeAt = () => {
    const navigation = performance.getEntriesByType('navigation')[0];
    if (!navigation) return 0;
    if (navigation.loadEventStart > 0) return navigation.loadEventStart;
    // a page that keeps a connection open may never finish loading: it counts as loaded two seconds after it was parsed,
    // if all its scripts have come
    const parsed = navigation.domContentLoadedEventStart;
    if (parsed === 0) return Infinity;
    const come = new Set(performance.getEntriesByType('resource').map((entry) => entry.name));
    const areThere = [...document.scripts].every((script) => script.src === '' || come.has(script.src.split('#')[0]));
    return areThere ? parsed + 2000 : Infinity;
  };
  const requests = (now) => {
    const counted = { pending: [], longPolls: [], endedAt: 0 };
    if (!tracker) return counted;
    tracker.review(now);
    for (const request of tracker.requests) {
      if (request.ended !== null && now - request.ended >= unchangedFor) continue;
      if (request.kind === 'script' && !request.element.isConnected) continue;
      if (isExcepted(request)) continue;
      if (isLearned(request)) {
        if (request.ended === null) counted.longPolls.push(request);
        continue;
      }
      if (isRepeated(request, changedAt, now)) continue;
      if (request.ended !== null) counted.endedAt = Math.max(counted.endedAt, request.ended);
      else if (isLongPoll(request, now)) counted.longPolls.push(request);
      else counted.pending.push(request);
    }
    return counted;
  };
  const finish = (isSettled, { pending, longPolls }) => {
    clearInterval(timer);
    observer.disconnect();
    Object.defineProperty(window, KEY, { value: { last, changedAt }, configurable: true });
    resolve({ isSettled, isTracked: !!(tracker && tracker.isEarly), pending: pending.slice(0, 20).map(tell), longPolls: longPolls.slice(0, 20).map(tell), failed: failed() });
  };
  const check = () => {
    const now = performance.now();
    if (isDirty) {
      isDirty = false;
      const found = find();
      if (!isSame(found, last)) {
        last = found;
        changedAt = now;
      }
    }
    const counted = requests(now);
    const quietSince = Math.max(changedAt, counted.endedAt);
    const isQuiet = counted.pending.length === 0 && now - quietSince >= unchangedFor;
    if (now - completeAt() >= afterLoad && isQuiet) finish(true, counted);
    else if (now - started >= atMost) finish(false, counted);
  };
  const timer = setInterval(() => {
    try {
      check();
    } catch (why) {
      clearInterval(timer);
      observer.disconnect();
      reject(why);
    }
  }, 25);
  check();
});
