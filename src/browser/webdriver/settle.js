// arguments: selectors, after load, unchanged for, at most (milliseconds) -> promise of whether the page came to rest.
// Elements count by identity and by markup: one that was replaced by its like is a change, because whoever found the
// old one holds a dead one.
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
  const begun = performance.now();
  let last, changedAt = begun, isDirty = false;
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
    // a page that keeps a connection open may never be loaded: two seconds after it was parsed it counts as such
    const parsed = navigation.domContentLoadedEventStart;
    return parsed > 0 ? parsed + 2000 : Infinity;
  };
  const finish = (isQuiet) => {
    clearInterval(timer);
    observer.disconnect();
    resolve(isQuiet);
  };
  const look = () => {
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
    else if (now - begun >= atMost) finish(false);
  };
  const timer = setInterval(look, 25);
  look();
});
