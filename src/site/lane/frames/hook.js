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

// Numbers tell orders apart, not requests.
const pathOf = (url) => url.pathname.replace(/[0-9]+/g, '#');

const watchWindow = (w, { timersUpTo, polls }) => {
  const watch = { requests: new Map(), timers: new Set(), generation: 0, isLoaded: false, onAddress: null };
  Object.defineProperty(w, WATCH, { value: watch });
  const later = w.setTimeout.bind(w);

  let count = 0;
  const begin = (address) => {
    let url;
    try {
      url = new URL(address, w.document.baseURI);
    } catch {
      return () => {};
    }
    if (!/^https?:$/.test(url.protocol) || !isOfPortal(url) || polls.includes(pathOf(url))) return () => {};
    const id = ++count;
    watch.requests.set(id, pathOf(url));
    // after the handlers of the page itself, which may ask for more, or write the list
    return () => later(() => watch.requests.delete(id), 0);
  };

  const { open, send } = w.XMLHttpRequest.prototype;
  const addresses = new WeakMap();
  w.XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    addresses.set(this, String(address));
    return open.call(this, method, address, ...rest);
  };
  w.XMLHttpRequest.prototype.send = function (...body) {
    const end = begin(addresses.get(this) || '');
    this.addEventListener('loadend', end);
    try {
      return send.apply(this, body);
    } catch (why) {
      end();
      throw why;
    }
  };

  const { fetch } = w;
  w.fetch = function (input, ...rest) {
    const end = begin(typeof input === 'object' && input !== null && 'url' in input ? input.url : String(input));
    const answer = fetch.call(w, input, ...rest);
    answer.then(end, end);
    return answer;
  };
  // a body is part of its answer
  for (const name of BODY_READERS) {
    const read = w.Response.prototype[name];
    if (!read) continue;
    w.Response.prototype[name] = function (...rest) {
      const end = begin(this.url);
      const body = read.apply(this, rest);
      body.then(end, end);
      return body;
    };
  }

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
