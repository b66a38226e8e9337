// Draws a frame with a name around whatever each selector finds, for a picture that a person looks at.
const [finds] = arguments;
const colours = ['#d81b60', '#1e88e5', '#8e24aa', '#43a047', '#fb8c00', '#3949ab', '#6d4c41'];
let first = null;
finds.forEach(([name, css], index) => {
  const colour = colours[index % colours.length];
  for (const element of document.querySelectorAll(css)) {
    const box = element.getBoundingClientRect();
    if (!box.width && !box.height) continue;
    first = first || element;
    const frame = document.createElement('div');
    frame.style.cssText = `position:absolute;z-index:2147483647;pointer-events:none;box-sizing:border-box;
      left:${box.left + scrollX - 2}px;top:${box.top + scrollY - 2}px;width:${box.width + 4}px;height:${box.height + 4}px;
      border:2px solid ${colour}`;
    const label = document.createElement('span');
    label.textContent = name;
    label.style.cssText = `position:absolute;left:-2px;top:-15px;background:${colour};color:#fff;
      font:11px/13px sans-serif;padding:0 3px;white-space:nowrap`;
    frame.append(label);
    document.documentElement.append(frame);
  }
});
if (first) first.scrollIntoView({ block: 'center' });
return null;
