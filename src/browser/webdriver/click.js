// arguments: css, nth, whether to save -> whether the element exists
const [css, nth, isSave] = arguments;
const element = document.querySelectorAll(css)[nth];
if (!element) return false;
const link = element.closest('a, area') || element.querySelector('a[href]') || (isSave ? element : null);
// a new tab would close with its download before its events are read, or stay open for ever
if (link) link.setAttribute('target', '_self');
if (link && isSave && !link.hasAttribute('download')) link.setAttribute('download', '');
// the same for a window that the element's script opens, at once or when it has asked for the address
window.open = (url = '') => {
  const address = String(url);
  if (address !== '' && address !== 'about:blank') location.assign(address);
  return window;
};
if (typeof element.click === 'function') element.click();
else element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, view: window }));
return true;
