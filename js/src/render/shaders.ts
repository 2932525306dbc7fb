/** Shader texts; the arithmetic is that of sample.ts and overlay.ts. */
import type { Dtype } from "./contract";
import { SNAP } from "./plane";

export const VERTEX = `#version 300 es
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3. : -1., gl_VertexID == 2 ? 3. : -1., 0., 1.); }`;

const samplerOf = (dtype: Dtype): string =>
  dtype === "float32" ? "sampler2DArray" : dtype.startsWith("u") ? "usampler2DArray" : "isampler2DArray";

const head = (dtype: Dtype): string => `#version 300 es
precision highp float;
precision highp int;
uniform highp ${samplerOf(dtype)} data;
uniform vec3 origin, du, dv;
uniform ivec3 size;
uniform float height;
out vec4 color;
const float SNAP = ${SNAP};
vec3 place(vec2 d) {
  return origin + du * (gl_FragCoord.x - .5 + d.x) + dv * (height - gl_FragCoord.y - .5 + d.y);
}
bool outside(vec3 p) {
  return any(lessThan(p, vec3(-.5 - SNAP))) || any(greaterThan(p, vec3(size) - .5 + SNAP));
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

export function imageShader(dtype: Dtype, color: boolean): string {
  const T = color ? "vec3" : "float";
  const body = color ? "return vec3(texelFetch(data, ivec3(i, j, k), 0).rgb);" : fetch(dtype);
  return `${head(dtype)}
uniform highp usampler2D present;
uniform bool smooth_, invert;
uniform int base;
uniform float rest, factor;
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
void main() {
  vec3 p = place(vec2(0));
  if (outside(p)) { color = vec4(0); return; }
  ivec3 n = voxel(p);
  if (!here(n.x)) { color = vec4(vec3(24. / 255.), 1); return; }
  ${T} v;
  if (smooth_) {
    vec3 c = clamp(p, vec3(0), vec3(size - 1));
    ivec3 a = ivec3(floor(c));
    ivec3 b = min(a + 1, size - 1);
    vec3 f = c - vec3(a);
    if (!here(a.x) || !here(b.x)) a.x = b.x = n.x;
    v = flatAt(a.x, a, b, f);
    if (a.x != b.x && f.x > 0.) v += (flatAt(b.x, a, b, f) - v) * f.x;
  } else v = at(n.x, n.y, n.z);
  ${color
    ? "color = vec4(floor(v + .5) / 255., 1);"
    : `float t = (v - rest) * factor + .5;
  float level = t > 0. ? floor(min(t, 255.)) : 0.;
  color = vec4(vec3((invert ? 255. - level : level) / 255.), 1);`}
}`;
}

export function maskShader(dtype: Dtype): string {
  return `${head(dtype)}
uniform highp sampler2D palette;
uniform float fill;
uniform bool outline;
int label(vec2 d) {
  vec3 p = place(d);
  if (outside(p)) return 0;
  ivec3 n = voxel(p);
  return int(texelFetch(data, n.zyx, 0).r);
}
void main() {
  int v = label(vec2(0));
  if (v <= 0 || (v >> 8) >= textureSize(palette, 0).y) discard;
  vec4 c = texelFetch(palette, ivec2(v & 255, v >> 8), 0);
  if (c.a == 0.) discard;
  bool edge = outline && (label(vec2(-1, 0)) != v || label(vec2(1, 0)) != v ||
    label(vec2(0, -1)) != v || label(vec2(0, 1)) != v);
  if (!edge && fill <= 0.) discard;
  color = vec4(c.rgb, edge ? 1. : fill);
}`;
}
