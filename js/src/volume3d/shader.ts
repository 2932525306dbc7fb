/** The ray caster's shaders. Texture coordinates are those of the base image's copy. */

export const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

/** What a picture needs; each combination is a shader of its own, as branches cost much without a GPU. */
export interface Variant {
  readonly mip: boolean;
  readonly fine: boolean;
  readonly segments: boolean;
  readonly layers: number;
}

export function fragmentShader({ mip, fine, segments, layers }: Variant): string {
  const on = (name: string, value: boolean | number): string => `#define ${name} ${Number(value)}\n`;
  const defines = on("MIP", mip) + on("FINE", fine) + on("SEGMENTS", segments) + on("LAYERS", layers);
  return `#version 300 es\n${defines}${PRECISION}${layers > 0 ? layerSamplers(layers) : ""}${BODY}`;
}

/** Samplers cannot be chosen by a number that is not constant: a function that chooses one by name. */
function layerSamplers(count: number): string {
  const names = Array.from({ length: count }, (_, n) => `layer${n}`);
  const choices = names.map((name, n) => `  ${n < count - 1 ? `if (n == ${n}) ` : ""}return texture(${name}, q).rg;\n`);
  return `uniform sampler3D ${names.join(", ")};
uniform mat4 layerPlace[${count}];
uniform vec4 layerWindow[${count}];           // place = whole value * x + y; places below z are not drawn; opacity
vec2 layerBytes(int n, vec3 q) {
${choices.join("")}}
`;
}

const PRECISION = `precision highp float;
precision highp int;
precision highp sampler3D;
precision highp usampler3D;
`;

const BODY = `uniform sampler3D data, cells, occupancy;
uniform usampler3D colors;
uniform sampler2D table, palette, layerTables;
uniform vec3 size, cellSize, low, high;      // size in voxels; the box that is shown
uniform vec3 origin, stepX, stepY, along;    // ray of pixel (x, y), texture coordinates; along: for each mm
uniform mat3 normals;                        // gradient in texture coordinates to world
uniform vec3 toward, lamp;                   // world directions
uniform vec3 values;                         // table place = high byte * x + low byte * y + z
uniform float stride, unit, iso;             // mm
uniform vec3 background;
out vec4 result;

const float LAST = 1023.0 / 1024.0;

vec4 cellAt(vec3 p) { return texelFetch(cells, clamp(ivec3(p / cellSize), ivec3(0), textureSize(cells, 0) - 1), 0); }
// Two bytes for each value: exact, and without a GPU three times as fast as half floats.
float whole(vec2 bytes) { return dot(bytes, vec2(65280.0, 255.0) / 65535.0); }
float place(vec3 p) { return clamp(dot(texture(data, p).rg, values.xy) + values.z, 0.0, 1.0); }
vec4 entry(float x) { return texture(table, vec2(x * LAST + 0.5 / 1024.0, 0.5)); }

vec3 slopeOf(sampler3D field, vec3 p) {
  vec3 h = 1.0 / size;
#if FINE
  return vec3(
    whole(texture(field, p + vec3(h.x, 0, 0)).rg - texture(field, p - vec3(h.x, 0, 0)).rg),
    whole(texture(field, p + vec3(0, h.y, 0)).rg - texture(field, p - vec3(0, h.y, 0)).rg),
    whole(texture(field, p + vec3(0, 0, h.z)).rg - texture(field, p - vec3(0, 0, h.z)).rg)) * size * 0.5;
#else
  vec2 here = texture(field, p).rg;
  return vec3(
    whole(texture(field, p + vec3(h.x, 0, 0)).rg - here),
    whole(texture(field, p + vec3(0, h.y, 0)).rg - here),
    whole(texture(field, p + vec3(0, 0, h.z)).rg - here)) * size;
#endif
}

vec3 lit(vec3 color, vec3 slope, float weight) {
  float strength = length(slope);
  if (strength < 1e-9) return color;
  vec3 n = slope / strength;
  float diffuse = abs(dot(n, lamp));
  float shine = pow(abs(dot(n, normalize(lamp + toward))), 24.0);
  return mix(color, color * (0.22 + 0.78 * diffuse) + 0.16 * shine, weight);
}

#if LAYERS
// Colour and opacity of a layer, and its place in the window; -1 where it is not drawn.
vec4 layerAt(int n, vec3 p, out float x) {
  vec3 q = (layerPlace[n] * vec4(p, 1.0)).xyz;
  x = -1.0;
  if (any(lessThan(q, vec3(0.0))) || any(greaterThan(q, vec3(1.0)))) return vec4(0.0);
  float value = whole(layerBytes(n, q));
  float at = value * layerWindow[n].x + layerWindow[n].y;
  if (at < layerWindow[n].z) return vec4(0.0);
  x = clamp(at, 0.0, 1.0);
  vec4 c = texture(layerTables, vec2(x * 255.0 / 256.0 + 0.5 / 256.0, (float(n) + 0.5) / float(LAYERS)));
  return vec4(c.rgb, c.a * layerWindow[n].w);
}

#endif

#if SEGMENTS
vec3 segmentAt(vec3 p) {
  vec3 slope = slopeOf(occupancy, p);
  // A little inside: there the colour is certain.
  vec3 q = p + normalize(slope + 1e-12) * 0.5 / size;
  uint number = texelFetch(colors, clamp(ivec3(q * size), ivec3(0), ivec3(size) - 1), 0).r;
  if (number == 0u) number = texelFetch(colors, clamp(ivec3(p * size), ivec3(0), ivec3(size) - 1), 0).r;
  vec3 color = texelFetch(palette, ivec2(int(number), 0), 0).rgb;
  return lit(color, normals * slope, 1.0);
}
#endif

// Where the ray leaves the cell it is in.
float leave(vec3 o, vec3 p) {
  vec3 edge = (floor(p / cellSize) + step(0.0, along)) * cellSize;
  vec3 t = (edge - o) / along;
  return min(min(abs(along.x) < 1e-9 ? 1e9 : t.x, abs(along.y) < 1e-9 ? 1e9 : t.y), abs(along.z) < 1e-9 ? 1e9 : t.z);
}

#if MIP
vec3 projection(vec3 o, float near, float far) {
  float best = 0.0;
#if LAYERS
  vec4 over[LAYERS];
  float most[LAYERS];
  for (int k = 0; k < LAYERS; k++) { over[k] = vec4(0.0); most[k] = -1.0; }
#endif
  vec3 segment = vec3(-1.0);
  float t = near;
  float end = near - 1.0;
  for (int n = 0; n < 8192; n++) {
    if (t > far) break;
    vec3 p = o + along * t;
    if (t > end) {
      end = leave(o, p);
      if (cellAt(p).g <= best) {
        // On to the first sample behind this cell; samples keep their places.
        t = near + max(ceil((end - near) / stride), floor((t - near) / stride + 1.001)) * stride;
        end = near - 1.0;
        continue;
      }
    }
    best = max(best, place(p));
#if LAYERS
    for (int k = 0; k < LAYERS; k++) {
      float x;
      vec4 c = layerAt(k, p, x);
      if (x > most[k]) { most[k] = x; over[k] = c; }
    }
#endif
#if SEGMENTS
    if (segment.r < 0.0 && texture(occupancy, p).r >= iso) segment = segmentAt(p);
#endif
    t += stride;
  }
  vec3 color = entry(best).rgb;
#if LAYERS
  for (int k = 0; k < LAYERS; k++) color = mix(color, over[k].rgb, over[k].a * max(most[k], 0.0));
#endif
  return segment.r >= 0.0 ? mix(color, segment, 0.6) : color;
}
#else
vec3 rendering(vec3 o, float near, float far) {
  vec3 sum = vec3(0.0);
  float light = 1.0;
  float t = near;
  float before = near;
  float end = near - 1.0;
  bool empty = false;
  bool outside = true;
  for (int n = 0; n < 8192; n++) {
    if (t > far || light < 0.02) break;
    vec3 p = o + along * t;
    if (t > end) {
      end = leave(o, p);
      if (cellAt(p).r == 0.0) {
        before = t = max(end + stride * 0.01, t + stride * 0.5);
        end = near - 1.0;
        empty = outside = true;
        continue;
      }
    }
#if SEGMENTS
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
#endif
    float x = place(p);
    vec4 c = entry(x);
    if (c.a > 0.0) {
#if FINE
      if (empty) {
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
#endif
      empty = false;
      float a = 1.0 - pow(1.0 - min(c.a, 0.999), stride / unit);
      vec3 color = c.rgb;
      if (a * light > 0.01) {
        vec3 slope = normals * (slopeOf(data, p) * (values.x * 65535.0 / 65280.0));
        color = lit(color, slope, clamp(length(slope) * unit * 5.0, 0.0, 1.0));
      }
      sum += light * a * color;
      light *= 1.0 - a;
    } else empty = true;
#if LAYERS
    for (int k = 0; k < LAYERS; k++) {
      float at;
      vec4 over = layerAt(k, p, at);
      if (at >= 0.0) {
        float a = 1.0 - pow(1.0 - min(over.a * at * 0.5, 0.999), stride / unit);
        sum += light * a * over.rgb;
        light *= 1.0 - a;
      }
    }
#endif
    before = t;
    t += stride;
  }
  return sum + light * background;
}
#endif

void main() {
  vec3 o = origin + stepX * gl_FragCoord.x + stepY * gl_FragCoord.y;
  vec3 d = mix(along, vec3(1e-9), lessThan(abs(along), vec3(1e-9)));
  vec3 a = (low - o) / d;
  vec3 b = (high - o) / d;
  vec3 first = min(a, b), second = max(a, b);
  float near = max(max(first.x, first.y), first.z);
  float far = min(min(second.x, second.y), second.z);
  vec3 color = background;
#if MIP
  if (near < far) color = projection(o, near + stride * 0.01, far);
#else
  if (near < far) color = rendering(o, near + stride * 0.01, far);
#endif
  result = vec4(color, 1.0);
}`;
