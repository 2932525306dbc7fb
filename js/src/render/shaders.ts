/** Shader texts; the arithmetic is that of oblique.ts, combine.ts and overlay.ts. */
import type { Dtype } from "./contract";
import { SNAP } from "./plane";

export const VERTEX = `#version 300 es
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3. : -1., gl_VertexID == 2 ? 3. : -1., 0., 1.); }`;

/** Entries of a colour table in one row of its texture. */
export const TABLE_WIDTH = 4096;

const samplerOf = (dtype: Dtype): string =>
  dtype === "float32" ? "sampler2DArray" : dtype.startsWith("u") ? "usampler2DArray" : "isampler2DArray";

const head = (dtype: Dtype): string => `#version 300 es
precision highp float;
precision highp int;
uniform highp ${samplerOf(dtype)} data;
uniform vec3 origin, du, dv, step_, extent;
uniform ivec3 size;
uniform float height;
uniform int count;
out vec4 color;
const float SNAP = ${SNAP};
vec3 place(vec2 d) {
  return origin + du * (gl_FragCoord.x - .5 + d.x) + dv * (height - gl_FragCoord.y - .5 + d.y);
}
vec3 sampleAt(vec3 p, int n) { return p + step_ * (float(n) - float(count - 1) * .5); }
bool outside(vec3 p) {
  return any(lessThan(p, vec3(-.5 - SNAP))) || any(greaterThan(p, extent - .5 + SNAP));
}
ivec3 voxel(vec3 p) { return clamp(ivec3(floor(p + .5 + SNAP)), ivec3(0), size - 1); }
`;

/** Value minus the whole part of the lower window end, exact before it becomes a float. */
function fetch(dtype: Dtype): string {
  const texel = "texelFetch(data, ivec3(i, j, k), 0).r";
  if (dtype === "float32") return `return ${texel};`;
  if (dtype === "int32")
    return `int v = ${texel};
  return float((v >> 16) - (base >> 16)) * 65536. + float((v & 65535) - (base & 65535));`;
  return `return float(int(${texel}) - base);`;
}

/** `mode`: 0 the largest value, 1 the smallest, 2 the mean. */
export function imageShader(dtype: Dtype, color: boolean): string {
  const T = color ? "vec3" : "float";
  const body = color ? "return vec3(texelFetch(data, ivec3(i, j, k), 0).rgb);" : fetch(dtype);
  return `${head(dtype)}
uniform highp usampler2D present;
uniform highp sampler2D table;
uniform bool smooth_, cuts;
uniform int base, last, mode;
uniform vec2 clip;
uniform float rest, factor, cut, opacity, missing;
${T} at(int k, int j, int i) { ${body} }
${T} flatAt(int k, ivec3 a, ivec3 b, vec3 f) {
  ${T} top = at(k, a.y, a.z);
  if (f.z > 0.) top += (at(k, a.y, b.z) - top) * f.z;
  if (f.y == 0.) return top;
  ${T} under = at(k, b.y, a.z);
  if (f.z > 0.) under += (at(k, b.y, b.z) - under) * f.z;
  return top + (under - top) * f.y;
}
bool here(int k) { return texelFetch(present, ivec2(k, 0), 0).r != 0u; }
${T} valueAt(vec3 p, ivec3 n) {
  if (!smooth_) return at(n.x, n.y, n.z);
  vec3 c = clamp(p, vec3(0), vec3(size - 1));
  ivec3 a = ivec3(floor(c));
  ivec3 b = min(a + 1, size - 1);
  vec3 f = c - vec3(a);
  if (!here(a.x) || !here(b.x)) a.x = b.x = n.x;
  ${T} v = flatAt(a.x, a, b, f);
  if (a.x != b.x && f.x > 0.) v += (flatAt(b.x, a, b, f) - v) * f.x;
  return v;
}
void main() {
  if (gl_FragCoord.x < clip.x || gl_FragCoord.x > clip.y) { color = vec4(0); return; }
  vec3 middle = place(vec2(0));
  bool any_ = false, gap = false;
  float hits = 0.;
  ${T} v = ${T}(0);
  for (int s = 0; s < count; s++) {
    vec3 p = sampleAt(middle, s);
    if (outside(p)) continue;
    ivec3 n = voxel(p);
    if (!here(n.x)) { gap = true; continue; }
    any_ = true;
    ${T} w = valueAt(p, n);
    ${color ? "" : "if (isnan(w)) continue;"}
    v = hits == 0. ? w : mode == 0 ? max(v, w) : mode == 1 ? min(v, w) : v + w;
    hits += 1.;
  }
  if (!any_) { color = gap ? vec4(vec3(24. / 255.), 1) * missing : vec4(0); return; }
  if (mode == 2 && hits > 0.) v /= hits;
  ${color
    ? "color = vec4(floor(v + .5) / 255., 1) * opacity;"
    : `if (cuts && !(hits > 0. && v >= cut)) { color = vec4(0); return; }
  float t = (v - rest) * factor + .5;
  int level = hits > 0. && t > 0. ? int(min(t, float(last))) : 0;
  vec4 c = texelFetch(table, ivec2(level % ${TABLE_WIDTH}, level / ${TABLE_WIDTH}), 0);
  color = vec4(c.rgb, 1) * c.a * opacity;`}
}`;
}

export function maskShader(dtype: Dtype): string {
  return `${head(dtype)}
uniform highp sampler2D palette;
vec4 look(int v, int part) {
  if (v <= 0 || (v >> 8) >= textureSize(palette, 0).y) return vec4(0);
  return texelFetch(palette, ivec2((v & 255) * 2 + part, v >> 8), 0);
}
int labelAt(vec3 p) {
  if (outside(p)) return 0;
  return int(texelFetch(data, voxel(p).zyx, 0).r);
}
int label(vec2 d) {
  vec3 p = place(d);
  if (count == 1) return labelAt(p);
  for (int n = 0; n < count; n++) {
    // From the middle outward, the side of the first sample before the other.
    int away = (n + 1) >> 1;
    bool odd = (count & 1) == 1;
    int s = odd ? (count >> 1) + ((n & 1) == 1 ? -away : away)
                : (count >> 1) + ((n & 1) == 0 ? -1 - (n >> 1) : n >> 1);
    int v = labelAt(sampleAt(p, s));
    if (look(v, 1).w > 0.) return v;
  }
  return 0;
}
bool edge(int v, float width) {
  int r = int(width);
  for (int y = -r; y <= r; y++)
    for (int x = -r; x <= r; x++)
      if (float(x * x + y * y) <= width * width && label(vec2(x, y)) != v) return true;
  return false;
}
void main() {
  int v = label(vec2(0));
  vec4 style = look(v, 1);
  if (style.w == 0.) discard;
  vec4 c = look(v, 0);
  float part = style.y > 0. && edge(v, style.y) ? style.x : c.a;
  color = vec4(c.rgb, 1) * part;
}`;
}
