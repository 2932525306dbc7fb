/** Draws the lines of an overlay on a canvas, as the page shows them; an image of the SVG would come late. */

const number = (element: Element, name: string): number => Number(element.getAttribute(name) ?? 0);

function shapeOf(element: SVGElement): Path2D | null {
  const path = new Path2D();
  switch (element.tagName) {
    case "path":
      return new Path2D(element.getAttribute("d") ?? "");
    case "circle":
      path.arc(number(element, "cx"), number(element, "cy"), number(element, "r"), 0, 2 * Math.PI);
      return path;
    case "rect":
      path.rect(number(element, "x"), number(element, "y"), number(element, "width"), number(element, "height"));
      return path;
    case "line":
      path.moveTo(number(element, "x1"), number(element, "y1"));
      path.lineTo(number(element, "x2"), number(element, "y2"));
      return path;
    case "polygon":
    case "polyline": {
      const at = (element.getAttribute("points") ?? "").trim().split(/[\s,]+/).map(Number);
      for (let n = 0; n + 1 < at.length; n += 2) path.lineTo(at[n]!, at[n + 1]!);
      if (element.tagName === "polygon") path.closePath();
      return path;
    }
    default:
      return null;
  }
}

function strokeStyle(context: CanvasRenderingContext2D, style: CSSStyleDeclaration): boolean {
  if (style.stroke === "none" || style.stroke === "") return false;
  context.strokeStyle = style.stroke;
  context.lineWidth = parseFloat(style.strokeWidth) || 1;
  context.lineJoin = style.strokeLinejoin as CanvasLineJoin;
  context.lineCap = style.strokeLinecap as CanvasLineCap;
  const dashes = style.strokeDasharray.split(/[\s,]+/).map(parseFloat);
  context.setLineDash(dashes.some(Number.isNaN) ? [] : dashes);
  return true;
}

/** Draw an SVG element and what is in it; `skip` tells which elements are left out. */
export function paintSvg(context: CanvasRenderingContext2D, element: SVGElement, skip: (element: SVGElement) => boolean): void {
  if (skip(element)) return;
  const style = getComputedStyle(element);
  if (style.display === "none") return;
  context.save();
  context.globalAlpha *= Number(style.opacity);
  const move = /^translate\(([-0-9.]+) ([-0-9.]+)\)$/.exec(element.getAttribute("transform") ?? "");
  if (move) context.translate(Number(move[1]), Number(move[2]));
  if (style.filter.startsWith("invert")) context.filter = style.filter;
  if (element.tagName === "text") paintText(context, element, style);
  else if (style.visibility !== "hidden") {
    const shape = shapeOf(element);
    if (shape) paintShape(context, shape, style);
  }
  if (element.tagName !== "text") for (const child of element.children) paintSvg(context, child as SVGElement, skip);
  context.restore();
}

function paintShape(context: CanvasRenderingContext2D, shape: Path2D, style: CSSStyleDeclaration): void {
  const { globalAlpha } = context;
  if (style.fill !== "none") {
    context.globalAlpha = globalAlpha * Number(style.fillOpacity);
    context.fillStyle = style.fill;
    context.fill(shape);
  }
  context.globalAlpha = globalAlpha * Number(style.strokeOpacity);
  if (strokeStyle(context, style)) context.stroke(shape);
}

function paintText(context: CanvasRenderingContext2D, element: SVGElement, style: CSSStyleDeclaration): void {
  const text = element.textContent ?? "";
  if (text === "" || style.visibility === "hidden") return;
  const [x, y] = [number(element, "x"), number(element, "y")];
  context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.textAlign = style.textAnchor === "end" ? "right" : style.textAnchor === "middle" ? "center" : "left";
  // The dark rim lies below the letters.
  if (strokeStyle(context, style)) context.strokeText(text, x, y);
  context.fillStyle = style.fill;
  context.fillText(text, x, y);
}
