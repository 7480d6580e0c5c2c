/* Reference kernels for bench_fused_kernel.py: what a C compiler makes of the simplest fused step, and of an RKL2 stage.

   Arrays are flat padded boxes, rows along z of `row_length` voxels; rows to update are given by begin and end. */

#include <math.h>
#include <stdint.h>

static inline float inflow(const float *restrict c, const float *restrict fx, const float *restrict fy,
                           const float *restrict fz, int64_t k, int64_t x, int64_t y) {
    const float own = c[k];
    return (fx[k + x] * (c[k + x] - own) - fx[k] * (own - c[k - x])) +
           (fy[k + y] * (c[k + y] - own) - fy[k] * (own - c[k - y])) +
           (fz[k + 1] * (c[k + 1] - own) - fz[k] * (own - c[k - 1]));
}

/* Forward Euler of diffusion and logistic growth: new = c + number * L c + growth * c * (1 - c). */
void euler_step(int64_t num_rows, const int64_t *begin, const int64_t *end, int64_t x, int64_t y,
                const float *restrict c, const float *restrict fx, const float *restrict fy, const float *restrict fz,
                float *restrict result, float number, float growth) {
    for (int64_t row = 0; row < num_rows; row++)
        for (int64_t k = begin[row]; k < end[row]; k++)
            result[k] = c[k] + number * inflow(c, fx, fy, fz, k, x, y) + growth * (c[k] * (1.0f - c[k]));
}

/* older = mu * newer + nu * older + operator * L newer + initial * rate, values below 1e-30 cleared. */
void rkl2_stage(int64_t num_rows, const int64_t *begin, const int64_t *end, int64_t x, int64_t y,
                const float *restrict newer, const float *restrict fx, const float *restrict fy,
                const float *restrict fz, const float *restrict rate, float *restrict older, float mu, float nu,
                float operator, float initial) {
    for (int64_t row = 0; row < num_rows; row++)
        for (int64_t k = begin[row]; k < end[row]; k++) {
            const float d = (mu * newer[k] + nu * older[k]) +
                            (operator * inflow(newer, fx, fy, fz, k, x, y) + initial * rate[k]);
            older[k] = fabsf(d) > 1e-30f ? d : 0.0f;
        }
}
