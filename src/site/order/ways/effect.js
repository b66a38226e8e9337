// What the last click has set off so far. arguments: what marks the page as busy -> {isLeft, isBusy, said, url, type, status,
// addresses: [{kind, url}]}
const [busy] = arguments;
const state = window[Symbol.for('coupa-batch.click')];
const tracker = window[Symbol.for('coupa-batch.requests')];
const now = performance.now();
const isLeft = !(state && state.at !== undefined);
if (tracker) tracker.review(now);
const since = isLeft ? 0 : state.at;
const isCaused = (request) => request.ended === null && request.started >= since && !(state && state.polls || []).includes(request.url.pathname);
const isAsking = !!tracker && tracker.requests.some(isCaused);
const before = isLeft ? new Map() : state.before;
const address = (element) => {
  const text = element.src || element.data || element.currentSrc || element.href || element.dataset.url;
  try {
    return typeof text === 'string' && text !== '' ? new URL(text, document.baseURI).href : null;
  } catch {
    return null;
  }
};
const isNew = (element) => {
  const [was, wasVisible] = before.get(element) || [];
  return was !== (element.src || element.data || element.href || element.dataset.url) || (wasVisible === false && element.checkVisibility());
};
const shown = [...document.querySelectorAll('iframe[src], embed[src], object[data], img[src], video, audio, source[src], a[href], [data-url]')].slice(0, 2000);
const appeared = shown.filter((element) => isNew(element) && address(element) !== null);
// a frame that was sent somewhere and shows nothing yet
const isFrameAway = appeared.some((element) => {
  if (!(element instanceof HTMLIFrameElement)) return false;
  try {
    const inner = element.contentWindow.location.href;
    return inner === 'about:blank' && !/^(about|javascript):/.test(element.src) || element.contentDocument.readyState !== 'complete';
  } catch {
    return false; // it is there, and another host's
  }
});
const isPage = /html/.test(document.contentType);
// a page in between ("your download begins in a few seconds") may do something by the clock
const refresh = [...document.querySelectorAll('meta[http-equiv="refresh" i]')].map((meta) => parseFloat(meta.content) || 0);
const patience = Math.min(1000 * Math.max(isLeft && isPage ? 5 : 0, ...refresh.map((seconds) => seconds + 1)), 30000);
const isPutOff = !isLeft && [...state.timers.values()].some((due) => due >= now - 100);
const isMarkedBusy = busy !== '' && [...document.querySelectorAll(busy)].some((element) => element.checkVisibility());
const navigation = performance.getEntriesByType('navigation')[0];
return {
  isLeft,
  isBusy: document.readyState !== 'complete' || isAsking || isFrameAway || isPutOff || isMarkedBusy || (!isLeft && !!state.isNavigating) || (isLeft && now < patience),
  said: (!isLeft && state.said) || null,
  url: location.href.toWellFormed(),
  type: document.contentType,
  status: (navigation && navigation.responseStatus) || null,
  addresses: appeared.slice(0, 50).map((element) => ({ kind: element.localName, url: address(element).toWellFormed() })),
};
