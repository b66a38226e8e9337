// The page's source without what may be a secret, at most `limit` characters of it, and whether that is all. Works on
// a copy. Gives [text, isWhole].
const [limit] = arguments;
const REMOVED = '[removed]';
const SECRET = /token|secret|csrf|xsrf|nonce|session|auth|passw|cookie|ticket|signature|api.?key/i;
// a value under such a name, in JSON, in a form's words or in a header
const NAMED =
  /([\w[\]-]*(?:token|secret|csrf|xsrf|nonce|session|auth|passw|cookie|ticket|signature|api[_-]?key)[\w[\]-]*["']?\s*[=:]\s*["']?(?:(?:bearer|basic|digest)\s+)?)[^\s"'<>&;,|]+/gi;
// a part of an address that nobody has thought up
const OPAQUE = /(?<=\/)(?=[^/]*\d)(?=[^/]*[a-z])[\w=~+-]{20,}(?=\/|$)/gi;
const withoutNamed = (text) => text.replace(NAMED, '$1' + REMOVED);
const withoutQuery = (address) => address.split(/[?#]/, 1)[0].replace(OPAQUE, REMOVED);
const withoutQueries = (text) => text.replace(/[^\s"'<>|\\?#]*\/[^\s"'<>|\\?#]*[?#][^\s"'<>|\\]*/g, withoutQuery);
const isAddress = /^(?:href|src|srcset|action|formaction|data|cite|ping|poster|background|manifest|xlink:href)$/;

const root = document.documentElement;
if (!root) return ['', true];
const copy = root.cloneNode(true);
for (const element of copy.querySelectorAll('script, style, noscript, template')) {
  element.innerHTML = '';
}
const nodes = document.createNodeIterator(copy, NodeFilter.SHOW_COMMENT | NodeFilter.SHOW_TEXT);
for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
  node.data = node.nodeType === Node.COMMENT_NODE ? '' : withoutNamed(withoutQueries(node.data));
}
for (const element of [copy, ...copy.querySelectorAll('*')]) {
  const named = (element.getAttribute('name') || '') + ' ' + (element.getAttribute('id') || '');
  const tag = element.localName;
  const isSecretField = SECRET.test(named) || /^(hidden|password)$/i.test(element.getAttribute('type') || '');
  if (tag === 'textarea' && SECRET.test(named)) element.textContent = REMOVED;
  for (const attribute of [...element.attributes]) {
    const name = attribute.name.toLowerCase();
    const value = attribute.value.trim();
    if (SECRET.test(name) || name.startsWith('on') || name === 'srcdoc' || name === 'integrity') {
      attribute.value = REMOVED;
    } else if (name === 'value' && /^(input|button|option|param)$/.test(tag) && isSecretField) {
      attribute.value = REMOVED;
    } else if (tag === 'meta' && name === 'content' && SECRET.test(named)) {
      attribute.value = REMOVED;
    } else if (/^data:/i.test(value)) {
      attribute.value = 'data:' + REMOVED;
    } else if (isAddress.test(name) || /^[a-z][a-z0-9+.-]*:|^\.{0,2}\/|^[?#]|\?\S/i.test(value)) {
      attribute.value = withoutQuery(value);
    } else {
      attribute.value = withoutNamed(value);
    }
  }
}
const text = copy.outerHTML;
// half of a character that takes two is no text
return [text.slice(0, limit).toWellFormed(), text.length <= limit];
