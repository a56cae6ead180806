/* The peer of the compiled kernel: the same arithmetic, written for speed in C. See limit.py.

   One key, float32, BPTT(k; 1), inline labels; an Elman, GRU or LSTM layer, a linear head, squared error, the
   gradient's norm held at `clip`, Adam. Sizes are values of the run, as they are in the kernel;
   n is a multiple of 32.

   Matrices are kept by columns: row j is what input j sends to all m gate sums. W has d rows and one for the
   bias, U has n rows and, for the GRU alone, one for its second bias; the parameters are W, U, then the head
   (n + 1).
   For k = 1 the gradient is an outer product, and is used by its factors; for k > 1 it is stored.

   Letters: d inputs, n hidden, m gate sums (n, 3n, 4n), k steps of the window. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

enum cell { ELMAN, GRU, LSTM };

typedef struct {
    int cell, d, n, m, k;
    long size, steps, updates; /* parameters; steps and updates made */
    float clip, rate;
    int warmup;
    double power_1, power_2; /* of Adam's betas */
    float *parameters, *first, *second, *gradient;
    float *ring_x, *ring_h, *ring_c;  /* (k, d), (k + 1, n): inputs, and states that steps enter with */
    float *x, *h, *c;                 /* (k, d + 1), (k + 1, n + 1): the window, ones in the last column */
    float *gates, *sums;              /* (k, 5n); (2, m) */
    float *deltas, *recurrent;        /* (k, m) */
    float *dh, *dc;                   /* (n) */
} peer;

/* --- elementary functions: the kernel's polynomials, on vectors ----------------------------------------- */

typedef int32_t whole __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

static inline lanes load(const float *p) { return *(const lanes *)p; }

static inline void store(float *p, lanes v) { *(lanes *)p = v; }

static inline lanes chosen(whole mask, lanes yes, lanes no) {
    return (lanes)((mask & (whole)yes) | (~mask & (whole)no));
}

static inline lanes bounded(lanes x, float bound) {
    lanes high = x - x + bound;
    x = chosen(x < -high, -high, x);
    return chosen(x > high, high, x);
}

/* 1.5 · 2²³ leaves no room for a fraction */
static inline lanes nearest(lanes x) { return (x + 12582912.0f) - 12582912.0f; }

static inline lanes power_of_two(lanes k) { return (lanes)((__builtin_convertvector(k, whole) + 127) << 23); }

static inline lanes reduced(lanes x, lanes k) { return (x - k * 0.693359375f) - k * -2.1219444005469057e-4f; }

static inline lanes polynomial(lanes r) {
    return ((((0.001393365f * r + 0.008369155f) * r + 0.041666467f) * r + 0.16666505f) * r + 0.5f) * r + 1.0f;
}

static inline lanes sigmoid(lanes x) {
    x = bounded(-x, 87.0f);
    lanes k = nearest(x * 1.44269504f), r = reduced(x, k);
    return 1.0f / (1.0f + power_of_two(k) * (1.0f + r * polynomial(r)));
}

static inline lanes hyperbolic(lanes x) {
    x = 2.0f * bounded(x, 20.0f);
    lanes k = nearest(x * 1.44269504f), r = reduced(x, k), scale = power_of_two(k);
    lanes e = scale * (r * polynomial(r)) + (scale - 1.0f);
    return e / (e + 2.0f);
}

/* --- products ------------------------------------------------------------------------------------------ */

static inline float total(lanes v) {
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) v[i] += v[i + half];
    return v[0];
}

/* out (m) += xᵀ W for W (rows, m) */
static void add_product(const float *restrict w, const float *restrict x, int rows, int m,
                        float *restrict out) {
    int j = 0;
    for (; j + 8 <= rows; j += 8) {
        const float *restrict r = w + (long)j * m;
        float a = x[j], b = x[j + 1], c = x[j + 2], d = x[j + 3];
        float e = x[j + 4], f = x[j + 5], g = x[j + 6], h = x[j + 7];
        for (int i = 0; i < m; i++)
            out[i] += ((a * r[i] + b * r[m + i]) + (c * r[2 * m + i] + d * r[3 * m + i])) +
                      ((e * r[4 * m + i] + f * r[5 * m + i]) + (g * r[6 * m + i] + h * r[7 * m + i]));
    }
    for (; j < rows; j++) {
        const float *restrict r = w + (long)j * m;
        float a = x[j];
        for (int i = 0; i < m; i++) out[i] += a * r[i];
    }
}

/* out (rows) += W δ for W (rows, m) */
static void add_transposed(const float *w, const float *delta, int rows, int m, float *out) {
    for (int j = 0; j < rows; j += 4) {
        const float *r = w + (long)j * m;
        lanes a = {0}, b = {0}, c = {0}, d = {0};
        for (int i = 0; i < m; i += LANES) {
            lanes t = load(delta + i);
            a += t * load(r + i), b += t * load(r + m + i);
            c += t * load(r + 2 * m + i), d += t * load(r + 3 * m + i);
        }
        out[j] += total(a), out[j + 1] += total(b), out[j + 2] += total(c), out[j + 3] += total(d);
    }
}

static float squares(const float *v, long count) {
    lanes a = {0}, b = {0}, c = {0}, d = {0};
    long i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES) {
        lanes p = load(v + i), q = load(v + i + LANES);
        lanes r = load(v + i + 2 * LANES), s = load(v + i + 3 * LANES);
        a += p * p, b += q * q, c += r * r, d += s * s;
    }
    float sum = total((a + b) + (c + d));
    for (; i < count; i++) sum += v[i] * v[i];
    return sum;
}

/* g (rows, m) = Σₜ xₜ δₜᵀ over rows of x (steps, stride) and δ (steps, m); tiles of 4 rows in registers */
static void outer_sum(float *restrict g, const float *x, int stride, const float *delta, int rows, int m,
                      int steps) {
    int j = 0;
    for (; j + 4 <= rows; j += 4)
        for (int i = 0; i < m; i += 2 * LANES) {
            float *r = g + (long)j * m + i;
            lanes a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, o = {0}, q = {0};
            for (int t = 0; t < steps; t++) {
                const float *y = x + (long)t * stride + j;
                lanes u = load(delta + (long)t * m + i), v = load(delta + (long)t * m + i + LANES);
                a += y[0] * u, b += y[0] * v, c += y[1] * u, d += y[1] * v;
                e += y[2] * u, f += y[2] * v, o += y[3] * u, q += y[3] * v;
            }
            store(r, a), store(r + LANES, b), store(r + m, c), store(r + m + LANES, d);
            store(r + 2 * m, e), store(r + 2 * m + LANES, f);
            store(r + 3 * m, o), store(r + 3 * m + LANES, q);
        }
    for (; j < rows; j++) {
        memset(g + (long)j * m, 0, sizeof(float) * m);
        for (int t = 0; t < steps; t++)
            for (int i = 0; i < m; i++)
                g[(long)j * m + i] += x[(long)t * stride + j] * delta[(long)t * m + i];
    }
}

/* --- cells: step t of the window forward, and back ------------------------------------------------------ */

static inline long split(const peer *p) { return (long)(p->d + 1) * p->m; }

static inline int rows_of_u(const peer *p) { return p->n + (p->cell == GRU); }

static void forward(peer *p, int t) {
    int n = p->n, m = p->m;
    const float *w = p->parameters, *u = w + split(p);
    const float *x = p->x + (long)t * (p->d + 1), *h = p->h + (long)t * (n + 1), *c = p->c + (long)t * n;
    float *next = p->h + (long)(t + 1) * (n + 1), *next_c = p->c + (long)(t + 1) * n;
    float *g = p->gates + (long)t * 5 * n, *s = p->sums, *q = p->cell == GRU ? s + m : s;
    memcpy(s, w + (long)p->d * m, sizeof(float) * m);
    add_product(w, x, p->d, m, s);
    if (p->cell == GRU) memcpy(q, u + (long)n * m, sizeof(float) * m);
    add_product(u, h, n, m, q);
    if (p->cell == ELMAN)
        for (int i = 0; i < n; i += LANES) store(next + i, hyperbolic(load(s + i)));
    if (p->cell == GRU)
        for (int i = 0; i < n; i += LANES) {
            lanes reset = sigmoid(load(s + i) + load(q + i)), z = sigmoid(load(s + n + i) + load(q + n + i));
            lanes sent = load(q + 2 * n + i), v = hyperbolic(load(s + 2 * n + i) + reset * sent);
            store(g + i, reset), store(g + n + i, z), store(g + 2 * n + i, v), store(g + 3 * n + i, sent);
            store(next + i, (1.0f - z) * v + z * load(h + i));
        }
    if (p->cell == LSTM)
        for (int i = 0; i < n; i += LANES) {
            lanes in = sigmoid(load(s + i)), keep = sigmoid(load(s + n + i));
            lanes v = hyperbolic(load(s + 2 * n + i)), out = sigmoid(load(s + 3 * n + i));
            lanes value = keep * load(c + i) + in * v;
            store(g + i, in), store(g + n + i, keep), store(g + 2 * n + i, v), store(g + 3 * n + i, out);
            lanes squashed = hyperbolic(value);
            store(g + 4 * n + i, squashed), store(next_c + i, value);
            store(next + i, out * squashed);
        }
}

static void backward(peer *p, int t, int goes_further) {
    int n = p->n, m = p->m;
    const float *g = p->gates + (long)t * 5 * n, *h = p->h + (long)t * (n + 1), *c = p->c + (long)t * n;
    const float *next = p->h + (long)(t + 1) * (n + 1);
    float *a = p->deltas + (long)t * m, *b = p->recurrent + (long)t * m;
    if (p->cell == ELMAN)
        for (int i = 0; i < n; i += LANES) {
            lanes v = load(next + i), dh = load(p->dh + i);
            store(a + i, dh * (1.0f - v * v));
            store(p->dh + i, (lanes){0});
        }
    if (p->cell == GRU)
        for (int i = 0; i < n; i += LANES) {
            lanes reset = load(g + i), z = load(g + n + i), v = load(g + 2 * n + i), dh = load(p->dh + i);
            lanes an = dh * (1.0f - z) * (1.0f - v * v);
            lanes az = dh * (load(h + i) - v) * z * (1.0f - z);
            lanes ar = an * load(g + 3 * n + i) * reset * (1.0f - reset);
            store(a + i, ar), store(a + n + i, az), store(a + 2 * n + i, an);
            store(b + i, ar), store(b + n + i, az), store(b + 2 * n + i, an * reset);
            store(p->dh + i, dh * z);
        }
    if (p->cell == LSTM)
        for (int i = 0; i < n; i += LANES) {
            lanes in = load(g + i), keep = load(g + n + i);
            lanes v = load(g + 2 * n + i), out = load(g + 3 * n + i);
            lanes dh = load(p->dh + i), e = load(g + 4 * n + i);
            lanes dc = load(p->dc + i) + dh * out * (1.0f - e * e);
            store(a + i, dc * v * in * (1.0f - in));
            store(a + n + i, dc * load(c + i) * keep * (1.0f - keep));
            store(a + 2 * n + i, dc * in * (1.0f - v * v));
            store(a + 3 * n + i, dh * e * out * (1.0f - out));
            store(p->dc + i, dc * keep);
            store(p->dh + i, (lanes){0});
        }
    if (goes_further) add_transposed(p->parameters + split(p), p->cell == GRU ? b : a, n, m, p->dh);
}

/* --- Adam ---------------------------------------------------------------------------------------------- */

typedef struct {
    float share, step, correction;
} pace;

static inline void adam(float *restrict p, float *restrict first, float *restrict second, float g, pace a) {
    float m = 0.9f * *first + 0.1f * g, v = 0.999f * *second + 0.001f * g * g;
    *first = m, *second = v;
    *p -= a.step * m / (a.correction * sqrtf(v) + 1e-8f);
}

/* The matrix at `at` (rows, m), whose gradient is x δᵀ */
static void adam_outer(peer *p, long at, const float *restrict x, const float *restrict delta, int rows,
                       int m, pace a) {
    for (int j = 0; j < rows; j++, at += m) {
        float *restrict w = p->parameters + at;
        float *restrict first = p->first + at, *restrict second = p->second + at;
        float factor = a.share * x[j];
        for (int i = 0; i < m; i++) adam(w + i, first + i, second + i, factor * delta[i], a);
    }
}

static void adam_stored(peer *p, pace a) {
    float *restrict w = p->parameters, *restrict first = p->first, *restrict second = p->second;
    const float *restrict g = p->gradient;
    for (long i = 0; i < p->size; i++) adam(w + i, first + i, second + i, a.share * g[i], a);
}

static pace paced(peer *p, float squared) {
    double norm = sqrt(squared);
    p->updates++;
    p->power_1 *= 0.9, p->power_2 *= 0.999;
    double rate = p->rate * (p->updates < p->warmup ? (double)p->updates / p->warmup : 1.0);
    double share = norm > p->clip ? p->clip / norm : 1.0;
    return (pace){share, rate / (1.0 - p->power_1), 1.0 / sqrt(1.0 - p->power_2)};
}

/* --- learning ------------------------------------------------------------------------------------------ */

static float output(const peer *p, int t) {
    const float *head = p->parameters + p->size - p->n - 1, *h = p->h + (long)t * (p->n + 1);
    lanes sum = {0};
    for (int i = 0; i < p->n; i += LANES) sum += load(head + i) * load(h + i);
    return head[p->n] + total(sum);
}

static void enter(peer *p, long step) {
    memcpy(p->h, p->ring_h + step % (p->k + 1) * p->n, sizeof(float) * p->n);
    if (p->cell == LSTM) memcpy(p->c, p->ring_c + step % (p->k + 1) * p->n, sizeof(float) * p->n);
}

static void take_input(peer *p, long step, int t) {
    memcpy(p->x + (long)t * (p->d + 1), p->ring_x + step % p->k * p->d, sizeof(float) * p->d);
}

static float step(peer *p, const double *x) {
    long now = p->steps++, after = p->steps % (p->k + 1);
    float *kept = p->ring_x + now % p->k * p->d;
    for (int j = 0; j < p->d; j++) kept[j] = (float)x[j];
    take_input(p, now, 0);
    enter(p, now);
    forward(p, 0);
    memcpy(p->ring_h + after * p->n, p->h + p->n + 1, sizeof(float) * p->n);
    if (p->cell == LSTM) memcpy(p->ring_c + after * p->n, p->c + p->n, sizeof(float) * p->n);
    return output(p, 1);
}

static void learn_one(peer *p, float dy) {
    int n = p->n, m = p->m, rows = rows_of_u(p);
    long at = split(p), head = p->size - n - 1;
    const float *b = p->cell == GRU ? p->recurrent : p->deltas;
    for (int i = 0; i < n; i++) p->dh[i] = dy * p->parameters[head + i], p->dc[i] = 0.0f;
    backward(p, 0, 0);
    float squared = squares(p->x, p->d + 1) * squares(p->deltas, m) + squares(p->h, rows) * squares(b, m) +
                    dy * dy * squares(p->h + n + 1, n + 1);
    pace a = paced(p, squared);
    adam_outer(p, 0, p->x, p->deltas, p->d + 1, m, a);
    adam_outer(p, at, p->h, b, rows, m, a);
    adam_outer(p, head, &dy, p->h + n + 1, 1, n + 1, a);
}

static void learn_window(peer *p, float target) {
    int n = p->n, steps = p->steps < p->k ? (int)p->steps : p->k, rows = rows_of_u(p);
    long first = p->steps - steps, head = p->size - n - 1;
    enter(p, first);
    for (int t = 0; t < steps; t++) {
        take_input(p, first + t, t);
        forward(p, t);
    }
    float dy = output(p, steps) - target;
    const float *last = p->h + (long)steps * (n + 1);
    for (int i = 0; i < n; i++) p->dh[i] = dy * p->parameters[head + i], p->dc[i] = 0.0f;
    for (int t = steps - 1; t >= 0; t--) backward(p, t, t > 0);
    outer_sum(p->gradient, p->x, p->d + 1, p->deltas, p->d + 1, p->m, steps);
    const float *b = p->cell == GRU ? p->recurrent : p->deltas;
    outer_sum(p->gradient + split(p), p->h, n + 1, b, rows, p->m, steps);
    for (int i = 0; i <= n; i++) p->gradient[head + i] = dy * last[i];
    adam_stored(p, paced(p, squares(p->gradient, p->size)));
}

/* Events of one key, each labelled: step, predict into `out`, learn. x (count, d) */
void learn(peer *p, long count, const double *x, const double *target, double *out) {
#ifdef __SSE__
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* subnormal numbers are 0: what the kernel's optimiser sees to by itself */
#endif
    for (long e = 0; e < count; e++) {
        float y = step(p, x + e * p->d);
        out[e] = y;
        if (p->k == 1)
            learn_one(p, y - (float)target[e]);
        else
            learn_window(p, (float)target[e]);
    }
#ifdef __SSE__
    _mm_setcsr(before);
#endif
}

/* --- birth and death ------------------------------------------------------------------------------------ */

static float *room(long count) {
    size_t bytes = (sizeof(float) * count + 63) / 64 * 64;
    float *memory = aligned_alloc(64, bytes);
    if (!memory) abort();
    return memset(memory, 0, bytes);
}

peer *born(int cell, int d, int n, int k, float clip, float rate, int warmup, const float *parameters) {
    peer *p = calloc(1, sizeof(peer));
    if (!p) abort();
    p->cell = cell, p->d = d, p->n = n, p->k = k, p->clip = clip, p->rate = rate, p->warmup = warmup;
    p->m = n * (cell == ELMAN ? 1 : cell == GRU ? 3 : 4);
    p->size = split(p) + (long)rows_of_u(p) * p->m + n + 1;
    p->power_1 = p->power_2 = 1.0;
    p->parameters = room(p->size), p->gradient = room(p->size);
    p->first = room(p->size), p->second = room(p->size);
    p->ring_x = room((long)k * d), p->ring_h = room((k + 1L) * n), p->ring_c = room((k + 1L) * n);
    p->x = room((long)k * (d + 1)), p->h = room((k + 1L) * (n + 1)), p->c = room((k + 1L) * n);
    p->gates = room(5L * k * n), p->sums = room(2L * p->m);
    p->deltas = room((long)k * p->m), p->recurrent = room((long)k * p->m);
    p->dh = room(n), p->dc = room(n);
    memcpy(p->parameters, parameters, sizeof(float) * p->size);
    for (int t = 0; t < k; t++) p->x[(long)t * (d + 1) + d] = 1.0f;
    for (int t = 0; t <= k; t++) p->h[(long)t * (n + 1) + n] = 1.0f;
    return p;
}

void gone(peer *p) {
    float *rooms[] = {p->parameters, p->first, p->second, p->gradient, p->ring_x, p->ring_h, p->ring_c, p->x,
                      p->h, p->c, p->gates, p->sums, p->deltas, p->recurrent, p->dh, p->dc};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) free(rooms[i]);
    free(p);
}
