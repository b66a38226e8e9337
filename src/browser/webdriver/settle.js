// arguments: selectors, after load, unchanged for, at most (milliseconds), long polls: {parts, learned, after} -> promise of
// {isSettled, isTracked, pending, longPolls, failed}.
// Elements are compared by identity and markup: an element replaced by an equal one is a change, because references to
// the old one are stale.
const [selectors, afterLoad, unchangedFor, atMost, polls] = arguments;
const tracker = window[Symbol.for('coupa-batch.requests')];
const find = () => {
  const found = [];
  for (const css of selectors) {
    for (const element of document.querySelectorAll(css)) found.push([element, element.outerHTML]);
  }
  return found;
};
const isSame = (a, b) =>
  a.length === b.length && a.every(([element, html], i) => element === b[i][0] && html === b[i][1]);

const hash = (text) => [...text].reduce((sum, char) => (Math.imul(sum, 31) + char.codePointAt(0)) | 0, 7) >>> 0;
// the numbers in the page's own address: a request that names one of them is about what the page shows
const numbers = (text) => text.match(/[0-9]{2,}/g) || [];
const own = new Set(numbers(location.pathname + location.search));
const describe = (request) => {
  if (request.key !== undefined) return request;
  const { url, body } = request;
  // without a number that only keeps an answer from being cached
  const rest = url.search.replace(/[0-9]{9,}|0\.[0-9]{6,}/g, '#') + (body || '');
  request.isOfPage = numbers(url.pathname + url.search + (body || '')).some((number) => own.has(number));
  request.key = request.method + ' ' + url.host + url.pathname + (rest === '' ? '' : ' ' + hash(rest));
  return request;
};
const isLongPoll = (request, now) => !describe(request).isOfPage && now - request.started >= polls.after;
const isKnown = (request) =>
  polls.parts.some((part) => (request.url.pathname + request.url.search).includes(part)) ||
  (describe(request).body !== null && polls.learned.includes(request.key));
// asks for the same again and again, and it changes nothing
const isRepeated = (request, changedAt) => {
  const before = tracker.requests.filter((other) => other.isGood && other.ended !== null && other.ended <= request.started && other.ended >= changedAt);
  const same = before.filter((other) => describe(other).key === describe(request).key);
  if (same.length >= 2) return true;
  const alike = before.filter((other) => other.url.pathname === request.url.pathname);
  // the next page of a list is asked for at once, news are asked for by the clock
  return alike.length >= 3 && request.started - alike[alike.length - 1].ended > 50;
};
// calls that were not answered well, and not asked again with success
const failed = () => {
  const calls = tracker ? tracker.requests.filter((request) => request.kind === 'call' && request.ended !== null && !request.isAborted) : [];
  const isFailed = (request) => !request.isGood && (request.status === 0 || request.status >= 400);
  const isMended = (request) => calls.some((other) => other.isGood && other.ended > request.ended && describe(other).key === describe(request).key);
  const found = calls.filter((request) => isFailed(request) && !isKnown(request) && !isMended(request)).slice(0, 20);
  return found.map((request) => ({ path: tell(request).path, status: request.status, isOfPage: request.isOfPage }));
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
      if (isKnown(request) || isRepeated(request, changedAt)) continue;
      if (request.ended !== null) counted.endedAt = Math.max(counted.endedAt, request.ended);
      else if (isLongPoll(request, now)) counted.longPolls.push(request);
      else counted.pending.push(request);
    }
    return counted;
  };
  const finish = (isSettled, { pending, longPolls }) => {
    clearInterval(timer);
    observer.disconnect();
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
  const timer = setInterval(check, 25);
  check();
});
