// arguments[0]: [css] -> for each, whether the browser takes it as a selector
const nothing = document.createDocumentFragment();
return arguments[0].map((css) => {
  try {
    nothing.querySelector(css);
    return true;
  } catch {
    return false;
  }
});
