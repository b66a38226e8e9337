// arguments: selectors, after load, unchanged for, at most (milliseconds) -> promise of whether the page settled.
// Elements are compared by identity and markup: an element replaced by an equal one is a change, because references to
// the old one are stale.
const [selectors, afterLoad, unchangedFor, atMost] = arguments;
const find = () => {
  const found = [];
  for (const css of selectors) {
    for (const element of document.querySelectorAll(css)) found.push([element, element.outerHTML]);
  }
  return found;
};
const isSame = (a, b) =>
  a.length === b.length && a.every(([element, html], i) => element === b[i][0] && html === b[i][1]);
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
    // a page that keeps a connection open may never finish loading: it counts as loaded two seconds after it was parsed
    const parsed = navigation.domContentLoadedEventStart;
    return parsed > 0 ? parsed + 2000 : Infinity;
  };
  const finish = (isSettled) => {
    clearInterval(timer);
    observer.disconnect();
    resolve(isSettled);
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
    if (now - completeAt() >= afterLoad && now - changedAt >= unchangedFor) finish(true);
    else if (now - started >= atMost) finish(false);
  };
  const timer = setInterval(check, 25);
  check();
});
