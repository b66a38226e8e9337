// arguments: css, nth, whether to save -> whether the element exists
const [css, nth, isSave] = arguments;
const element = document.querySelectorAll(css)[nth];
if (!element) return false;
const link = element.closest('a, area') || element.querySelector('a[href]') || (isSave ? element : null);
// a new tab would close with its download before its events are read, or stay open for ever
if (link) link.setAttribute('target', '_self');
if (link && isSave && !link.hasAttribute('download')) link.setAttribute('download', '');
if (typeof element.click === 'function') element.click();
else element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, view: window }));
return true;
