// Has the browser save what is at an address. arguments: the address; the name; whether the page shows it, so that it need not be
// asked for again; how long that may take, in milliseconds -> promise of null
const [address, name, isShown, limit] = arguments;
const MOST_KEPT = 64 * 1024 * 1024;
const save = (href) => {
  // in no document: no handler of the page hears of the click
  const link = document.createElementNS('http://www.w3.org/1999/xhtml', 'a');
  link.href = href;
  link.download = name;
  link.dispatchEvent(new MouseEvent('click', { bubbles: false, cancelable: true, view: window }));
  return null;
};
const entry = performance.getEntriesByType('navigation')[0];
const isKept = isShown && document.readyState === 'complete' && !(entry && entry.decodedBodySize > MOST_KEPT);
if (!isKept) return save(address);
// what is shown is in the browser's memory, and its address may have been good for one time
return fetch(address, { cache: 'force-cache', credentials: 'include', signal: AbortSignal.timeout(limit) })
  .then((answer) => (answer.ok ? answer.blob() : Promise.reject(new Error('not ok'))))
  .then((bytes) => save(URL.createObjectURL(bytes)), () => save(address));
