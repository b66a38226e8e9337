// arguments: css, nth, whether to save -> whether there was such an element
const [css, nth, isSave] = arguments;
const element = document.querySelectorAll(css)[nth];
if (!element) return false;
if (isSave) {
  const link = element.closest('a, area') || element.querySelector('a[href]') || element;
  if (!link.hasAttribute('download')) link.setAttribute('download', '');
  link.removeAttribute('target');
}
if (typeof element.click === 'function') element.click();
else element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, view: window }));
return true;
