// What more than one script knows of files and of hidden parts of a page.
const FILE_NAME =
  /[^\s\/.]\.(pdf|docx?|xlsx?|pptx?|od[tsp]|rtf|msg|eml|csv|txt|xml|json|html?|zip|7z|rar|png|jpe?g|gif|tiff?|bmp|dwg|dxf|ste?p|p7m)\b/i;
// Whether a control that says `text` speaks of the file `name` and of no other: "a.pdf 12 KB", "Remove a.pdf".
const speaksOf = (text, name, neverTexts) => {
  if (!text.includes(name)) return false;
  const rest = text.replace(name, ' ');
  const words = rest.toLowerCase().replace(/[^\p{Alphabetic}]+/gu, ' ').trim();
  return words === '' || neverTexts.includes(words) || (text.startsWith(name) && !FILE_NAME.test(rest));
};
// Whether a hidden part of the page is one that opens: what it holds is its own, and no copy of what is shown.
const isFolded = (part) => {
  if (part.closest('details:not([open]), [role="tabpanel"]') || part.matches('tr, td, th, li')) return true;
  const opens = ({ id }) => {
    const at = CSS.escape(id);
    return id !== '' && document.querySelector(`[aria-controls~="${at}"], [href="#${at}"], [data-target="#${at}"], [data-bs-target="#${at}"]`) !== null;
  };
  return [part, ...part.querySelectorAll('[id]')].some(opens);
};
