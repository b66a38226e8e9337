// arguments: key, {looks, polls, pollParts, words, loginPaths, quietFor, emptyFor, afterLoad, timersUpTo, atMost, atLatest, silence}. Makes `window[key]`, which holds several orders of the
// portal in frames and tells what becomes of each. Decides nothing: it opens, waits for evidence, reads, and catches
// addresses.
const [key, config] = arguments;
// an error page of the browser has no origin, and no page of the portal could be read from there
if (location.origin !== config.origin) return false;

// no dialogs, no windows, no way to lead the whole page elsewhere
const SANDBOX = 'allow-scripts allow-same-origin allow-forms allow-downloads';
// of the size of a window and on the screen, though nobody sees it: lists that come when they are in view come
const STYLE = 'position:fixed;left:0;top:0;width:1366px;height:900px;border:0;opacity:0';
const LOOK_EVERY = 25;

const frames = new Map();
const events = [];
let wake = null;
const tell = (event) => {
  events.push(event);
  if (wake) wake();
};

const open = ({ id, url, look }) => {
  const element = document.createElement('iframe');
  element.setAttribute('sandbox', SANDBOX);
  element.style.cssText = STYLE;
  const frame = { id, element, look: config.looks[look], openedAt: performance.now(), listed: null, changedAt: 0, loadedAt: 0, isOpen: true };
  element.addEventListener('load', () => {
    if (!frame.watch) return;
    frame.watch.isLoaded = true;
    frame.loadedAt = performance.now();
  });
  // the address before the frame is there: so its first document keeps the window that is watched
  element.src = url;
  (document.body || document.documentElement).append(element);
  frame.blank = element.contentDocument;
  frame.watch = watchWindow(element.contentWindow, config);
  frames.set(id, frame);
};

const close = (id) => {
  const frame = frames.get(id);
  if (!frame) return;
  frame.isOpen = false;
  frames.delete(id);
  frame.element.remove();
};

// the window of a frame that shows a page that can be read, or why there is none
const windowOf = (frame) => {
  const doc = frame.element.contentDocument;
  if (doc === null) return { denied: true };
  const w = frame.element.contentWindow;
  if (w[WATCH] !== frame.watch) return { moved: true };
  return doc === frame.blank ? {} : { w };
};

const isShown = (element) => element.checkVisibility({ visibilityProperty: true });

// a mark on an area, around it or in it; anywhere while an area is missing
const isBusy = (doc, { areas, busy }) => {
  if (busy === null) return false;
  const found = areas.map((css) => [...doc.querySelectorAll(css)]);
  const around = found.flat();
  const isMissing = found.some((list) => list.length === 0);
  return [...doc.querySelectorAll(busy)].some((mark) => {
    const isNear = isMissing || around.some((area) => area.contains(mark) || mark.contains(area));
    return isNear && isShown(around.includes(mark) ? mark.parentElement || mark : mark);
  });
};

const markupOf = (doc, css) => [...doc.querySelectorAll(css)].map((element) => element.outerHTML);
const listOf = (doc, selectors) =>
  selectors.flatMap((css) => [...doc.querySelectorAll(css)].map((element) => [element, element.outerHTML]));
const isSame = (a, b) => a.length === b.length && a.every(([element, html], at) => element === b[at][0] && html === b[at][1]);

// a script that was made and is not in the page is not asked for
const pendingOf = (frame) => [...frame.watch.requests.values()].filter(({ element }) => !element || element.isConnected);

// what is still to come, for a person; null when nothing is and what was listed has not changed for a while
const toCome = (frame, w, now) => {
  const doc = w.document;
  if (doc.readyState !== 'complete' || !frame.watch.isLoaded) return 'the page is still loading';
  const requests = pendingOf(frame);
  if (requests.length > 0) return 'a request is not answered: ' + requests[0].url.pathname.slice(0, 200).toWellFormed();
  if (frame.watch.timers.size > 0) return 'its script has set itself a time';
  if (isBusy(doc, frame.look)) return 'it is marked as busy';
  // as in a tab: a page that is not marked may only begin to ask for its list
  if (now - frame.loadedAt < config.afterLoad) return 'it has only just been loaded';
  // a page that lists nothing is watched for longer, and so is where a list would stand
  const isEmpty = listOf(doc, frame.look.listed).length === 0 && doc.querySelector(frame.look.marker) !== null;
  const list = listOf(doc, isEmpty ? [...frame.look.settling, ...frame.look.around] : frame.look.settling);
  if (frame.listed === null || !isSame(list, frame.listed)) {
    frame.listed = list;
    frame.changedAt = now;
  }
  return now - frame.changedAt < (isEmpty ? config.emptyFor : config.quietFor) ? 'its list has just changed' : null;
};

const read = (frame, w) => {
  marksOf(w.document)(frame.look.marks);
  return readQueries(w.document, frame.look.queries);
};

// what cannot bring the list of this page, and may stay open for ever
const waitingFor = (frame) => {
  const others = pendingOf(frame).filter((request) => !request.element && !request.isOfPage && !request.isNamed);
  return [...new Set(others.map((request) => request.key.toWellFormed()))];
};

const failedOf = (frame, w) =>
  [...frame.watch.failed.values()].slice(0, 20).map(({ url, status, isOfPage, isNamed }) => ({
    path: ((url.host === w.location.host ? '' : url.host) + url.pathname).slice(0, 200).toWellFormed(),
    status,
    isOfPage,
    isNamed,
  }));

// all that a page shows and says of its list, at one moment
const readPage = (frame, w) => {
  const { signs, controls } = frame.look;
  const said = signsOf(w, w.document, w.location, w.performance)(signs);
  const control = controls === null ? false : controlsOf(w, w.document, w.location, w.performance)(controls);
  const page = { document: readDocument(w), found: read(frame, w), control: control || null, failed: failedOf(frame, w) };
  return said.then((signs) => ({ ...page, signs }));
};

const check = (frame, now) => {
  const { w, denied, moved } = windowOf(frame);
  const end = (event) => {
    frame.isOpen = false;
    tell({ id: frame.id, took: Math.round(now - frame.openedAt), ...event });
  };
  if (denied) return end({ kind: 'denied' });
  if (moved) return end({ kind: 'moved' });
  const why = w ? toCome(frame, w, now) : 'no page has come';
  if (why === null) {
    const took = Math.round(now - frame.openedAt);
    frame.isOpen = false;
    const page = readPage(frame, w);
    // with what reading has written onto it
    frame.shown = new Map(frame.look.settling.map((css) => [css, markupOf(w.document, css)]));
    page.then((page) => tell({ id: frame.id, took, kind: 'settled', page }), (why) => tellBroken(frame, why, now));
    return;
  }
  // where it is known that a part of the list is to come, it is waited for as long as a page may take
  const isListDue = w && [...frame.watch.requests.values()].some((request) => request.isOfPage || request.isNamed);
  if (now - frame.openedAt > (isListDue ? config.atLatest : config.atMost)) {
    end({ kind: 'unsettled', why, waiting: w ? waitingFor(frame) : [] });
  }
};

const tellBroken = (frame, why, now) => {
  frame.isOpen = false;
  tell({ id: frame.id, took: Math.round(now - frame.openedAt), kind: 'broken', why: String(why).slice(0, 300).toWellFormed() });
};

setInterval(() => {
  const now = performance.now();
  for (const frame of [...frames.values()]) {
    if (!frame.isOpen) continue;
    try {
      check(frame, now);
    } catch (why) {
      tellBroken(frame, why, now);
    }
  }
}, LOOK_EVERY);

// an element as it was when its page had settled, wherever it stands now: pages replace their lists
const find = (frame, doc, { css, nth }) => {
  const before = frame.shown.get(css) || [];
  const place = before.slice(0, nth).filter((html) => html === before[nth]).length;
  return [...doc.querySelectorAll(css)].filter((element) => element.outerHTML === before[nth])[place];
};

// clicks one element, and catches the address that the page was about to go to
const catchOne = (frame, wanted) =>
  new Promise((resolve) => {
    const { w } = windowOf(frame);
    const element = w && find(frame, w.document, wanted);
    if (!element) return resolve({ kind: 'gone' });
    const { watch } = frame;
    const clickedAt = performance.now();
    let quietSince = clickedAt;
    const finish = (caught) => {
      clearInterval(timer);
      watch.onAddress = null;
      w.document.removeEventListener('click', stayHere, true);
      resolve(caught);
    };
    // a link that would open a window is followed in this one
    const stayHere = (event) => {
      const link = event.composedPath().find((part) => part.localName === 'a' || part.localName === 'area');
      if (link) link.setAttribute('target', '_self');
    };
    watch.onAddress = (url, kind) => finish({ kind, url });
    w.document.addEventListener('click', stayHere, true);
    const timer = setInterval(() => {
      if (!windowOf(frame).w) return finish({ kind: 'gone' });
      if (pendingOf(frame).length > 0) quietSince = performance.now();
      // a page that asks for something all the time is never silent
      const isOver = performance.now() - clickedAt > config.atMost;
      if (isOver || performance.now() - quietSince > config.silence) finish({ kind: 'silent' });
    }, LOOK_EVERY);
    if (typeof element.click === 'function') element.click();
    else element.dispatchEvent(new w.MouseEvent('click', { bubbles: true, cancelable: true, view: w }));
  });

const catchEach = ({ id, elements }) => {
  const frame = frames.get(id);
  if (frame) catchAll(frame, id, elements).catch((why) => tellBroken(frame, why, performance.now()));
};

const catchAll = async (frame, id, elements) => {
  for (const element of elements) tell({ id, kind: 'caught', key: element.key, caught: await catchOne(frame, element) });
  // what a click has set off is over by now, or shows: whatever has newly appeared counts
  const { w } = windowOf(frame);
  tell(w ? { id, kind: 'looked', found: read(frame, w) } : { id, kind: 'moved', took: 0 });
};

const acts = { open, catch: catchEach, close: ({ id }) => close(id) };

Object.defineProperty(window, key, {
  value: (commands, atMost) => {
    for (const command of commands) acts[command.act](command);
    if (events.length > 0 || atMost === 0) return Promise.resolve(events.splice(0));
    return new Promise((resolve) => {
      const answer = () => {
        clearTimeout(timer);
        wake = null;
        resolve(events.splice(0));
      };
      const timer = setTimeout(answer, atMost);
      wake = () => {
        wake = null;
        queueMicrotask(answer); // what comes at the same moment goes along
      };
    });
  },
});
return true;
