// Watches the window of a frame from outside, from before its first script on. No text is evaluated: a portal's content
// policy may forbid that. The first document of a frame keeps the window that the frame was made with; a window without
// its watch is that of a later one.
const WATCH = Symbol('watch');
// timers that set timers count for so many generations: a page that polls sets them for ever
const TIMER_GENERATIONS = 3;
const BODY_READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'];

// Requests to the portal's own hosts can bring a list; those to others (statistics, fonts) cannot.
const isOfPortal = (url) => {
  if (url.hostname === location.hostname) return true;
  const site = (name) => (/[a-z]/i.test(name) ? name.split('.').slice(-2).join('.') : name);
  return location.hostname.includes('.') && site(url.hostname) === site(location.hostname);
};

// What tells one request from others: numbers tell orders apart.
const LONGEST_KEY = 200;
const keyOf = (asked) => {
  const text = asked.replace(/[0-9]+/g, '#');
  if (text.length <= LONGEST_KEY) return text;
  let sum = 7;
  for (let at = 0; at < text.length; at += 1) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return text.slice(0, LONGEST_KEY / 2) + ' ' + (sum >>> 0);
};
// A request that names a number of the page's own address, or what is looked for, may bring the list; one that cannot be read, too.
const numbers = (text) => text.match(/[0-9]{2,}/g) || [];
const isOfPage = (w, asked) => asked === null || numbers(asked).some((number) => numbers(w.location.pathname + w.location.search).includes(number));
const isNamed = (asked, words) =>
  asked !== null && words.some((word) => [word, encodeURIComponent(word).toLowerCase()].some((part) => asked.toLowerCase().includes(part)));

// What a request sends, as text; null where it cannot be read without taking it from the request.
const bodyText = (body) => {
  if (body === undefined || body === null) return '';
  const name = Object.prototype.toString.call(body).slice(8, -1);
  if (name === 'String' || name === 'URLSearchParams') return String(body);
  const fields = name === 'FormData' ? [...body] : null;
  return fields !== null && fields.every(([, value]) => typeof value === 'string') ? String(new URLSearchParams(fields)) : null;
};

// A call that is led to a login page is refused, whatever that answers.
const isLogin = (address, loginPaths) => {
  try {
    const { pathname } = new URL(address);
    return loginPaths.some((path) => pathname.startsWith(path));
  } catch {
    return false;
  }
};

const watchWindow = (w, { timersUpTo, polls, pollParts, words, loginPaths }) => {
  const watch = { requests: new Map(), failed: new Map(), timers: new Set(), generation: 0, isLoaded: false, onAddress: null };
  Object.defineProperty(w, WATCH, { value: watch });
  const later = w.setTimeout.bind(w);

  let count = 0;
  const begin = (target, body) => {
    let url;
    try {
      url = new URL(target, w.document.baseURI);
    } catch {
      return () => {};
    }
    if (!/^https?:$/.test(url.protocol) || !isOfPortal(url)) return () => {};
    const address = url.pathname + url.search;
    const text = bodyText(body);
    const asked = text === null ? null : address + text;
    const request = { url, key: keyOf(asked ?? address), isOfPage: isOfPage(w, asked), isNamed: isNamed(asked, words) };
    const isPoll = !request.isOfPage && !request.isNamed && polls.includes(request.key);
    if (isPoll || pollParts.some((part) => address.includes(part))) return () => {};
    const id = ++count;
    watch.requests.set(id, request);
    return (answered, isGivenUp = false, from = '') => {
      const status = isLogin(from, loginPaths) && !isLogin(url.href, loginPaths) ? 401 : answered;
      if (status >= 200 && status < 400) watch.failed.delete(url.href);
      else if (!isGivenUp && !watch.failed.has(url.href)) watch.failed.set(url.href, { ...request, status });
      // after the handlers of the page itself, which may ask for more, or write the list
      later(() => watch.requests.delete(id), 0);
    };
  };

  const { open, send } = w.XMLHttpRequest.prototype;
  const addresses = new WeakMap();
  w.XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    addresses.set(this, String(address));
    return open.call(this, method, address, ...rest);
  };
  w.XMLHttpRequest.prototype.send = function (...body) {
    const end = begin(addresses.get(this) || '', body[0]);
    let isGivenUp = false;
    this.addEventListener('abort', () => { isGivenUp = true; });
    this.addEventListener('loadend', () => end(this.status, isGivenUp, this.responseURL));
    try {
      return send.apply(this, body);
    } catch (why) {
      end(0);
      throw why;
    }
  };

  const { fetch } = w;
  w.fetch = function (input, ...rest) {
    const isRequest = typeof input === 'object' && input !== null && 'url' in input;
    const given = rest[0] && 'body' in rest[0] ? rest[0].body : isRequest ? input.body : undefined;
    const end = begin(isRequest ? input.url : String(input), given);
    const answer = fetch.call(w, input, ...rest);
    // another host's answer may be hidden from the page
    answer.then(({ type, status, url }) => end(type === 'opaque' ? 200 : status, false, url), (why) => end(0, why && why.name === 'AbortError'));
    return answer;
  };
  // a body is part of its answer
  for (const name of BODY_READERS) {
    const read = w.Response.prototype[name];
    if (!read) continue;
    w.Response.prototype[name] = function (...rest) {
      const { status } = this;
      const end = begin(this.url);
      const body = read.apply(this, rest);
      // a body that is no JSON has arrived all the same
      const isWhole = (why) => why && why.name === 'SyntaxError';
      body.then(() => end(status), (why) => end(isWhole(why) ? status : 0, why && why.name === 'AbortError'));
      return body;
    };
  }

  // scripts that a script adds: one of them may be what asks for the list
  const source = Object.getOwnPropertyDescriptor(w.HTMLScriptElement.prototype, 'src');
  Object.defineProperty(w.HTMLScriptElement.prototype, 'src', {
    ...source,
    set(address) {
      source.set.call(this, address);
      const isProgram = ['', 'module', 'text/javascript', 'application/javascript'].includes(this.type);
      if (!isProgram || this.isConnected || !/^https?:/.test(this.src)) return;
      const id = ++count;
      watch.requests.set(id, { url: new URL(this.src), key: 'script', isOfPage: false, isNamed: false, element: this });
      const end = () => later(() => watch.requests.delete(id), 0);
      this.addEventListener('load', end, { once: true });
      this.addEventListener('error', end, { once: true });
    },
  });

  // what a page has set itself for soon after its load is still to come
  const { setTimeout, clearTimeout } = w;
  w.setTimeout = function (handler, delay, ...rest) {
    const generation = watch.generation + 1;
    const isEarly = watch.generation > 0 ? generation <= TIMER_GENERATIONS : !watch.isLoaded;
    if (typeof handler !== 'function' || !isEarly || Number(delay || 0) > timersUpTo) {
      return setTimeout.call(w, handler, delay, ...rest);
    }
    const id = setTimeout.call(w, function (...args) {
      const before = watch.generation;
      watch.generation = generation;
      try {
        return handler.apply(this, args);
      } finally {
        watch.generation = before;
        watch.timers.delete(id);
      }
    }, delay, ...rest);
    watch.timers.add(id);
    return id;
  };
  w.clearTimeout = function (id) {
    watch.timers.delete(id);
    return clearTimeout.call(w, id);
  };

  // where a click would lead, before anything is asked of it
  if (w.navigation) {
    w.navigation.addEventListener('navigate', (event) => {
      if (!watch.onAddress || event.hashChange || !event.cancelable) return;
      event.preventDefault();
      watch.onAddress(event.destination.url, event.formData ? 'form' : 'address');
    });
  }
  w.open = function (address = '') {
    const text = String(address);
    if (text !== '' && text !== 'about:blank') w.location.assign(text);
    return w;
  };
  return watch;
};
