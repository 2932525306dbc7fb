// What test_access.py looks at in the page of a viewer.
window.access = (() => {
  const CONTROLS = ["button", "input", "select", "textarea", "a[href]", "[tabindex]", "[role=slider]", "[role=button]", "[role=menuitemradio]"];
  const root = () => document.querySelector("[data-nbannot-root]");
  const short = (e) => e.outerHTML.slice(0, 140);
  const present = (e) => e.checkVisibility({ visibilityProperty: false });

  const nameOf = (e) => {
    const labels = [...(e.labels ?? [])].map((one) => one.textContent).join(" ");
    return (e.getAttribute("aria-label") || e.getAttribute("title") || labels || e.textContent || "").trim();
  };
  // Words beside a box to tick belong to what a finger can press.
  const pressed = (e) => (e.matches("[type=checkbox], [type=radio]") && e.closest("label")) || e;
  const names = () =>
    [...root().querySelectorAll(CONTROLS.join())].filter(present).map((e) => {
      const { width, height } = pressed(e).getBoundingClientRect();
      return { html: short(e), name: nameOf(e), width, height };
    });

  const rgba = (text) => {
    const n = (text.match(/[\d.]+/g) ?? []).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [n[0] * scale, n[1] * scale, n[2] * scale, n.length > 3 ? n[3] : 1];
  };
  const over = (top, under, alpha) => top.map((v, n) => (n < 3 ? v * alpha + under[n] * (1 - alpha) : 1));
  const light = (color) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = color.slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((p, q) => q - p);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    const chain = [];
    for (let e = element; e; e = e.parentElement) chain.push(e);
    return chain.reverse().reduce((under, e) => {
      const own = rgba(getComputedStyle(e).backgroundColor);
      return over(own, under, own[3]);
    }, [255, 255, 255, 1]);
  };
  const opacity = (element) => {
    let all = 1;
    for (let e = element; e && e !== root(); e = e.parentElement) all *= Number(getComputedStyle(e).opacity);
    return all;
  };
  // Words over pictures have a dark shadow of their own; what is disabled need not be read.
  const EXEMPT = ":disabled, .nbannot-view, [aria-disabled=true]";
  const contrast = () => {
    const found = [];
    const judge = (e, what, least) => {
      if (!e.checkVisibility({ visibilityProperty: true }) || e.closest(EXEMPT)) return;
      const under = behind(e);
      const own = rgba(getComputedStyle(e).color);
      const value = ratio(over(own, under, own[3] * opacity(e)), under);
      if (value < least) found.push(`${value.toFixed(2)} < ${least}: ${what}`);
    };
    const walk = document.createTreeWalker(root(), NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const text = node.data.trim();
      if (text) judge(node.parentElement, `"${text}" ${node.parentElement.className}`, 4.5);
    }
    for (const e of root().querySelectorAll("input[type=number], input:not([type]), select")) judge(e, short(e), 4.5);
    for (const e of root().querySelectorAll("svg.nbannot-icon")) judge(e, `icon of ${e.closest("button")?.title}`, 3);
    return found;
  };

  const numbers = new WeakMap();
  let last = 0;
  const numberOf = (e) => numbers.get(e) ?? (numbers.set(e, ++last), last);
  const focus = () => {
    const e = document.activeElement;
    if (!root().contains(e)) return null;
    const style = getComputedStyle(e);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5;
    const seen = e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    return { at: numberOf(e), html: short(e), ring: ring || e === root(), seen };
  };
  const reachable = (within) => {
    // Of several that exclude each other Tab reaches one.
    const other = (e) => e.type === "radio" && [...root().querySelectorAll(`[name="${e.name}"]`)].some((one) => one !== e && (one.checked || one.compareDocumentPosition(e) === Node.DOCUMENT_POSITION_FOLLOWING));
    const wanted = (e) => e.closest(within) && !other(e) && e.matches("button:not(:disabled), input:not(:disabled), select, [tabindex='0'], [role=button]") && present(e) && e.tabIndex >= 0;
    return [...root().querySelectorAll("*")].filter(wanted).map((e) => [numberOf(e), short(e)]);
  };

  const inside = (box, edge) => box.left >= edge.left - 1 && box.right <= edge.right + 1 && box.bottom <= edge.bottom + 1;
  const lies = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const cutOff = () => {
    const found = [];
    const edge = root().getBoundingClientRect();
    const controls = [...root().querySelectorAll(".nbannot-toolbar :is(button, input, select)")].filter((e) => e.checkVisibility());
    for (const e of [...controls, ...root().querySelectorAll(".nbannot-panel, .nbannot-view, .nbannot-menu, .nbannot-dock, .nbannot-volume-bar, [role=dialog]")]) {
      if (e.checkVisibility() && !inside(e.getBoundingClientRect(), edge)) found.push(`outside: ${short(e)}`);
      if (e.matches("button") && e.scrollWidth > e.clientWidth + 1) found.push(`too narrow: ${short(e)}`);
    }
    controls.forEach((one, n) => {
      const over = controls.slice(n + 1).find((other) => lies(one.getBoundingClientRect(), other.getBoundingClientRect()));
      if (over) found.push(`${one.title} lies over ${over.title}`);
    });
    if (root().scrollWidth > root().clientWidth + 1) found.push("the viewer is wider than its cell");
    return found;
  };
  return { names, contrast, focus, reachable, cutOff };
})();
