/** The ray caster's shaders. Texture coordinates are those of the base image's copy. */

export const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler3D;
precision highp usampler3D;
uniform sampler3D data, cells, occupancy, layer0, layer1;
uniform usampler3D colors;
uniform sampler2D table, palette, layerTables;
uniform vec3 size, cellSize, low, high;      // size in voxels; the box that is shown
uniform vec3 origin, stepX, stepY, along;    // ray of pixel (x, y), texture coordinates; along: for each mm
uniform mat3 normals;                        // gradient in texture coordinates to world
uniform vec3 toward, lamp;                   // world directions
uniform vec2 values;                         // table place = value * x + y
uniform float stride, unit, iso;             // mm
uniform bool mip, fine, hasSegments;
uniform int layers;
uniform vec3 background;
uniform mat4 layerPlace[2];
uniform vec4 layerWindow[2];                 // place = value * x + y; places below z are not drawn; opacity
out vec4 result;

const float LAST = 1023.0 / 1024.0;

vec4 cellAt(vec3 p) { return texelFetch(cells, clamp(ivec3(p / cellSize), ivec3(0), textureSize(cells, 0) - 1), 0); }
float place(vec3 p) { return clamp(texture(data, p).r * values.x + values.y, 0.0, 1.0); }
vec4 entry(float x) { return texture(table, vec2(x * LAST + 0.5 / 1024.0, 0.5)); }

vec3 slopeOf(sampler3D field, vec3 p, float here) {
  vec3 h = 1.0 / size;
  if (!fine) return vec3(
    texture(field, p + vec3(h.x, 0, 0)).r - here,
    texture(field, p + vec3(0, h.y, 0)).r - here,
    texture(field, p + vec3(0, 0, h.z)).r - here) * size;
  return vec3(
    texture(field, p + vec3(h.x, 0, 0)).r - texture(field, p - vec3(h.x, 0, 0)).r,
    texture(field, p + vec3(0, h.y, 0)).r - texture(field, p - vec3(0, h.y, 0)).r,
    texture(field, p + vec3(0, 0, h.z)).r - texture(field, p - vec3(0, 0, h.z)).r) * size * 0.5;
}

vec3 lit(vec3 color, vec3 slope, float weight) {
  float strength = length(slope);
  if (strength < 1e-9) return color;
  vec3 n = slope / strength;
  float diffuse = abs(dot(n, lamp));
  float shine = pow(abs(dot(n, normalize(lamp + toward))), 24.0);
  return mix(color, color * (0.22 + 0.78 * diffuse) + 0.16 * shine, weight);
}

// Colour and opacity (of one unit) of a layer; its place in the window in w of the second result.
vec4 layerAt(int n, vec3 p, out float x) {
  vec3 q = (layerPlace[n] * vec4(p, 1.0)).xyz;
  x = -1.0;
  if (any(lessThan(q, vec3(0.0))) || any(greaterThan(q, vec3(1.0)))) return vec4(0.0);
  float value = n == 0 ? texture(layer0, q).r : texture(layer1, q).r;
  float at = value * layerWindow[n].x + layerWindow[n].y;
  if (at < layerWindow[n].z) return vec4(0.0);
  x = clamp(at, 0.0, 1.0);
  vec4 c = texture(layerTables, vec2(x * 255.0 / 256.0 + 0.5 / 256.0, (float(n) + 0.5) / 2.0));
  return vec4(c.rgb, c.a * layerWindow[n].w);
}

vec3 segmentAt(vec3 p) {
  float here = texture(occupancy, p).r;
  vec3 slope = slopeOf(occupancy, p, here);
  // A little inside: there the colour is certain.
  vec3 q = p + normalize(slope + 1e-12) * 0.5 / size;
  uint number = texelFetch(colors, clamp(ivec3(q * size), ivec3(0), ivec3(size) - 1), 0).r;
  if (number == 0u) number = texelFetch(colors, clamp(ivec3(p * size), ivec3(0), ivec3(size) - 1), 0).r;
  vec3 color = texelFetch(palette, ivec2(int(number), 0), 0).rgb;
  return lit(color, normals * slope, 1.0);
}

// Where the ray leaves the cell it is in.
float leave(vec3 o, vec3 p) {
  vec3 edge = (floor(p / cellSize) + step(0.0, along)) * cellSize;
  vec3 t = (edge - o) / along;
  return min(min(abs(along.x) < 1e-9 ? 1e9 : t.x, abs(along.y) < 1e-9 ? 1e9 : t.y), abs(along.z) < 1e-9 ? 1e9 : t.z);
}

vec3 projection(vec3 o, float near, float far) {
  float best = 0.0;
  vec4 over[2] = vec4[2](vec4(0.0), vec4(0.0));
  vec2 most = vec2(-1.0);
  vec3 segment = vec3(-1.0);
  float t = near;
  for (int n = 0; n < 8192; n++) {
    if (t > far) break;
    vec3 p = o + along * t;
    float bound = cellAt(p).g;
    if (bound <= best) { t = near + max(ceil((leave(o, p) - near) / stride), floor((t - near) / stride + 1.001)) * stride; continue; }
    best = max(best, place(p));
    for (int k = 0; k < layers; k++) {
      float x;
      vec4 c = layerAt(k, p, x);
      if (x > most[k]) { most[k] = x; over[k] = c; }
    }
    if (hasSegments && segment.r < 0.0 && texture(occupancy, p).r >= iso) segment = segmentAt(p);
    if (best >= 1.0 && layers == 0 && !hasSegments) break;
    t += stride;
  }
  vec3 color = entry(best).rgb;
  for (int k = 0; k < layers; k++) color = mix(color, over[k].rgb, over[k].a * max(most[k], 0.0));
  if (segment.r >= 0.0) color = mix(color, segment, 0.6);
  return color;
}

vec3 rendering(vec3 o, float near, float far) {
  vec3 sum = vec3(0.0);
  float light = 1.0;
  float t = near;
  float before = near;
  bool empty = false;
  bool outside = true;
  for (int n = 0; n < 8192; n++) {
    if (t > far || light < 0.02) break;
    vec3 p = o + along * t;
    if (cellAt(p).r == 0.0) {
      float end = leave(o, p);
      before = t = max(end + stride * 0.01, t + stride * 0.5);
      empty = outside = true;
      continue;
    }
    if (hasSegments) {
      bool inside = texture(occupancy, p).r >= iso;
      if (inside && outside) {
        float a = before, b = t;
        for (int k = 0; k < 4; k++) {
          float m = 0.5 * (a + b);
          if (texture(occupancy, o + along * m).r >= iso) b = m; else a = m;
        }
        sum += light * 0.97 * segmentAt(o + along * b);
        light *= 0.03;
      }
      outside = !inside;
    }
    float x = place(p);
    vec4 c = entry(x);
    if (c.a > 0.0) {
      if (empty && fine) {
        // The surface itself, not the step behind it: else steps show as rings.
        float a = before, b = t;
        for (int k = 0; k < 4; k++) {
          float m = 0.5 * (a + b);
          if (entry(place(o + along * m)).a > 0.0) b = m; else a = m;
        }
        t = b;
        p = o + along * t;
        x = place(p);
        c = entry(x);
      }
      empty = false;
      float a = 1.0 - pow(1.0 - min(c.a, 0.999), stride / unit);
      vec3 color = c.rgb;
      if (a * light > 0.004) {
        vec3 slope = normals * (slopeOf(data, p, texture(data, p).r) * values.x);
        color = lit(color, slope, clamp(length(slope) * unit * 5.0, 0.0, 1.0));
      }
      sum += light * a * color;
      light *= 1.0 - a;
    } else empty = true;
    for (int k = 0; k < layers; k++) {
      float at;
      vec4 over = layerAt(k, p, at);
      if (at >= 0.0) {
        float a = 1.0 - pow(1.0 - min(over.a * at * 0.5, 0.999), stride / unit);
        sum += light * a * over.rgb;
        light *= 1.0 - a;
      }
    }
    before = t;
    t += stride;
  }
  return sum + light * background;
}

void main() {
  vec3 o = origin + stepX * gl_FragCoord.x + stepY * gl_FragCoord.y;
  vec3 d = mix(along, vec3(1e-9), lessThan(abs(along), vec3(1e-9)));
  vec3 a = (low - o) / d;
  vec3 b = (high - o) / d;
  vec3 first = min(a, b), second = max(a, b);
  float near = max(max(first.x, first.y), first.z);
  float far = min(min(second.x, second.y), second.z);
  vec3 color = background;
  if (near < far) color = mip ? projection(o, near + stride * 0.01, far) : rendering(o, near + stride * 0.01, far);
  result = vec4(color, 1.0);
}`;
