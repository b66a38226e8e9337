// The page's source without what may be a secret, at most `limit` characters of it. Works on a copy.
const [limit] = arguments;
const REMOVED = '[removed]';
const SECRET = /token|secret|csrf|xsrf|nonce|session|auth|passw|cookie|ticket|signature|api.?key/i;
const copy = document.documentElement.cloneNode(true);
for (const element of copy.querySelectorAll('script, style, noscript, template')) {
  element.innerHTML = '';
}
const comments = document.createNodeIterator(copy, NodeFilter.SHOW_COMMENT);
for (let comment = comments.nextNode(); comment; comment = comments.nextNode()) {
  comment.data = '';
}
for (const element of [copy, ...copy.querySelectorAll('*')]) {
  const named = (element.getAttribute('name') || '') + ' ' + (element.getAttribute('id') || '');
  const tag = element.localName;
  for (const attribute of [...element.attributes]) {
    const name = attribute.name.toLowerCase();
    const value = attribute.value;
    const isField = name === 'value' && (tag === 'input' || tag === 'button' || tag === 'option');
    if (SECRET.test(name) || name.startsWith('on') || name === 'srcdoc' || name === 'integrity') {
      attribute.value = REMOVED;
    } else if (isField && (SECRET.test(named) || /^(hidden|password)$/i.test(element.getAttribute('type') || ''))) {
      attribute.value = REMOVED;
    } else if (tag === 'meta' && name === 'content' && SECRET.test(named)) {
      attribute.value = REMOVED;
    } else if (/^data:/i.test(value)) {
      attribute.value = 'data:' + REMOVED;
    } else if (/^[a-z][a-z0-9+.-]*:|^\.{0,2}\/|\?/i.test(value)) {
      attribute.value = value.split(/[?#]/, 1)[0];
    }
  }
}
return copy.outerHTML.slice(0, limit);
