// Counts the requests that the scripts of a page have under way. As an expression: a function of whether it runs before
// the first script of the page. The page's own functions stay what they are: each call goes through unchanged.
(isEarly) => {
  const KEY = Symbol.for('coupa-batch.requests');
  if (KEY in window) return;
  const MAX_REQUESTS = 500;
  const UNREAD_AFTER = 250;
  const requests = [];

  const note = (request) => {
    if (requests.length >= MAX_REQUESTS) {
      const ended = requests.findIndex((old) => old.ended !== null);
      // one that is pending is never forgotten
      if (ended >= 0) requests.splice(ended, 1);
    }
    requests.push(request);
    return request;
  };
  // Hosts of the portal's own site can bring a list, such as one for its data; others (statistics, fonts) cannot.
  const isOfSite = (url) => {
    const site = (name) => (/[a-z]/i.test(name) ? name.split('.').slice(-2).join('.') : name);
    if (!location.hostname.includes('.')) return url.hostname === location.hostname;
    return site(url.hostname) === site(location.hostname);
  };
  const begin = (method, address, body) => {
    let url;
    try {
      url = new URL(String(address), document.baseURI);
    } catch {
      return null;
    }
    if (!url.protocol.startsWith('http') || !isOfSite(url)) return null;
    const isText = typeof body === 'string' || body instanceof URLSearchParams;
    const text = isText ? String(body) : body === undefined || body === null ? '' : null;
    return note({ kind: 'call', method: String(method || 'GET').toUpperCase(), url, body: text, started: performance.now(), ended: null, isGood: false, status: 0 });
  };
  const end = (request, isGood) => {
    if (request === null || request.ended !== null) return;
    request.ended = performance.now();
    request.isGood = isGood;
  };
  const wrap = (owner, name, apply) => {
    if (typeof owner[name] === 'function') owner[name] = new Proxy(owner[name], { apply });
  };

  // fetch: answered is not yet ended, its body may still be on its way; the browser notes when it is there
  wrap(window, 'fetch', (target, self, args) => {
    const [input, init] = args;
    const asked = input instanceof Request ? input : null;
    const body = init && 'body' in init ? init.body : asked && asked.body ? undefined : '';
    const request = begin((init && init.method) || (asked && asked.method), asked ? asked.url : input, body);
    const answer = Reflect.apply(target, self, args);
    if (request === null) return answer;
    const signal = (init && init.signal) || (asked && asked.signal);
    // what the page itself gives up has not failed; what ran out of time has
    const isGivenUp = () => !(signal.reason && signal.reason.name === 'TimeoutError');
    if (signal) signal.addEventListener('abort', () => { request.isAborted = isGivenUp(); end(request, false); });
    answer.then(
      (response) => {
        request.answered = performance.now();
        request.response = new WeakRef(response);
        // another host's answer may be hidden from the page
        const isHidden = response.type === 'opaque';
        request.status = isHidden ? 200 : response.status;
        request.isGood = isHidden || (response.ok && response.status !== 202);
        const isEmpty = request.method === 'HEAD' || [204, 205, 304].includes(response.status);
        if (isEmpty || request.isThere) end(request, request.isGood);
      },
      () => end(request, false),
    );
    return answer;
  });
  new PerformanceObserver((entries) => {
    for (const entry of entries.getEntriesByType('resource')) {
      if (entry.initiatorType !== 'fetch') continue;
      const of = (request) => request.kind === 'call' && request.ended === null && !request.isThere && !request.isXhr;
      const found = requests.find(
        (request) => of(request) && request.started <= entry.startTime + 1 && request.url.href.split('#')[0] === entry.name,
      );
      if (!found) continue;
      found.isThere = true;
      if (found.answered !== undefined) end(found, found.isGood);
    }
  }).observe({ type: 'resource', buffered: true });

  wrap(Response.prototype, 'clone', (target, self, args) => {
    const request = requests.find((other) => other.response && other.response.deref() === self);
    if (request) request.isCloned = true;
    return Reflect.apply(target, self, args);
  });
  // a body that was cut off is no answer, whatever its status says
  for (const name of ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text']) {
    wrap(Response.prototype, name, (target, self, args) => {
      const request = requests.find((other) => other.response && other.response.deref() === self);
      const body = Reflect.apply(target, self, args);
      // a body that is no JSON has arrived all the same
      const isCut = (why) => !(why instanceof SyntaxError);
      if (request) body.catch((why) => { if (isCut(why)) Object.assign(request, { isGood: false, status: 0 }); });
      return body;
    });
  }
  // an answer that nobody begins to read brings nothing; browsers may leave its body unread for ever
  const review = (now) => {
    for (const request of requests) {
      if (request.ended !== null || request.answered === undefined || now - request.answered < UNREAD_AFTER) continue;
      const response = request.response.deref();
      const isRead = response && (response.bodyUsed || request.isCloned || (response.body !== null && response.body.locked));
      if (!isRead) end(request, request.isGood);
    }
  };
  Object.defineProperty(window, KEY, { value: { requests, isEarly, review } });

  const opened = new WeakMap();
  wrap(XMLHttpRequest.prototype, 'open', (target, self, args) => {
    opened.set(self, [args[0], args[1]]);
    return Reflect.apply(target, self, args);
  });
  wrap(XMLHttpRequest.prototype, 'send', (target, self, args) => {
    const [method, address] = opened.get(self) || [];
    const request = address === undefined ? null : begin(method, address, args[0]);
    if (request !== null) {
      request.isXhr = true;
      const isGood = () => self.status >= 200 && self.status < 400 && self.status !== 202;
      self.addEventListener('abort', () => { request.isAborted = true; });
      self.addEventListener('loadend', () => { request.status = self.status; end(request, isGood()); });
      try {
        const sent = Reflect.apply(target, self, args);
        if (self.readyState === XMLHttpRequest.DONE) end(request, isGood());
        return sent;
      } catch (why) {
        end(request, false);
        throw why;
      }
    }
    return Reflect.apply(target, self, args);
  });

  // scripts that a script adds: one of them may be what asks for the list
  const source = Object.getOwnPropertyDescriptor(HTMLScriptElement.prototype, 'src');
  const set = new Proxy(source.set, {
    apply(target, self, args) {
      const done = Reflect.apply(target, self, args);
      const isProgram = ['', 'module', 'text/javascript', 'application/javascript'].includes(self.type);
      if (isProgram && !self.isConnected && /^https?:/.test(self.src)) {
        const url = new URL(self.src);
        const request = note({ kind: 'script', method: 'GET', url, body: '', element: self, started: performance.now(), ended: null, isGood: false });
        self.addEventListener('load', () => end(request, true), { once: true });
        self.addEventListener('error', () => end(request, false), { once: true });
      }
      return done;
    },
  });
  Object.defineProperty(HTMLScriptElement.prototype, 'src', { ...source, set });
}
