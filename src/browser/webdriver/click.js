// arguments: css, nth, whether to save -> whether the element exists. What the click sets off is noted for whoever asks the page
// (`Symbol.for('coupa-batch.click')`).
const [css, nth, isSave] = arguments;
const element = document.querySelectorAll(css)[nth];
if (!element) return false;
const link = element.closest('a, area') || element.querySelector('a[href]') || (isSave ? element : null);
// a new tab would close with its download before its events are read, or stay open for ever
if (link) link.setAttribute('target', '_self');
if (link && isSave && !link.hasAttribute('download')) link.setAttribute('download', '');

const KEY = Symbol.for('coupa-batch.click');
const watch = () => {
  const state = { timers: new Map(), depth: 0 };
  Object.defineProperty(window, KEY, { value: state });
  // the same for a window that the element's script opens, at once or when it has asked for the address
  window.open = (url = '') => {
    const address = String(url);
    if (address !== '' && address !== 'about:blank') location.assign(address);
    return window;
  };
  const stay = (owner) => {
    const target = (owner.getAttribute('target') || '').toLowerCase();
    const names = [...document.querySelectorAll('iframe[name]')].map((frame) => frame.name.toLowerCase());
    // a form may well answer into a frame of the page
    if (target !== '' && !names.includes(target)) owner.setAttribute('target', '_self');
  };
  window.addEventListener('submit', (event) => {
    if (event.submitter) event.submitter.removeAttribute('formtarget');
    stay(event.target);
  }, true);
  window.addEventListener('submit', (event) => { state.isNavigating ||= !event.defaultPrevented; });
  const wrap = (owner, name, before) => {
    owner[name] = new Proxy(owner[name], { apply: (target, self, args) => { before(self); return Reflect.apply(target, self, args); } });
  };
  wrap(HTMLFormElement.prototype, 'submit', (form) => { stay(form); state.isNavigating = true; });
  // a link that a script makes and clicks
  wrap(HTMLElement.prototype, 'click', (self) => { if (self instanceof HTMLAnchorElement) stay(self); });
  const dialog = (name, answer) => {
    window[name] = (text = '') => { state.said = String(text).slice(0, 200).toWellFormed(); return answer; };
  };
  dialog('alert', undefined);
  dialog('confirm', false);
  dialog('prompt', null);
  // an address that was asked for and is not answered yet
  window.navigation?.addEventListener('navigate', (event) => {
    if (!event.hashChange && !event.destination.sameDocument) state.isNavigating = true;
  });
  window.navigation?.addEventListener('navigateerror', () => { state.isNavigating = false; });
  // what the click has put off
  window.setTimeout = new Proxy(window.setTimeout, {
    apply: (target, self, args) => {
      const [run, delay = 0, ...rest] = args;
      if (state.depth === 0 || typeof run !== 'function') return Reflect.apply(target, self, args);
      const later = (...given) => {
        state.timers.delete(id);
        state.depth += 1;
        try {
          return run.apply(window, given);
        } finally {
          state.depth -= 1;
        }
      };
      const id = Reflect.apply(target, self, [later, delay, ...rest]);
      state.timers.set(id, performance.now() + Number(delay));
      return id;
    },
  });
  return state;
};
const state = window[KEY] || watch();
const now = performance.now();
const tracker = window[Symbol.for('coupa-batch.requests')];
const asked = tracker ? tracker.requests.map((request) => request.url.pathname) : [];
Object.assign(state, { at: now, isNavigating: false, isPrevented: false, said: undefined });
state.timers.clear();
// what is asked for by the clock is no answer to the click
state.polls = asked.filter((path, nth) => asked.indexOf(path) !== nth);
// what the page has to show before the click
const shown = document.querySelectorAll('iframe[src], embed[src], object[data], img[src], video, audio, source[src], a[href], [data-url]');
state.before = new Map([...shown].slice(0, 2000).map((found) => [found, [found.src || found.data || found.href || found.dataset.url, found.checkVisibility()]]));

let event;
const listen = (clicked) => { event = clicked; };
window.addEventListener('click', listen, true);
state.depth += 1;
try {
  if (typeof element.click === 'function') element.click();
  else element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, view: window }));
} finally {
  state.depth -= 1;
  window.removeEventListener('click', listen, true);
}
state.isPrevented = !!(event && event.defaultPrevented);
// the browser asks for what it saves without a word to the page
if (isSave && !state.isPrevented) state.isNavigating = true;
return true;
