//! Loops that the compiler vectorises for the processor at hand. All results are the same on every machine.

/// Independent partial sums of a row.
const LANES: usize = 32;

/// Runs `work` compiled for the vectors of this processor; mark the closure `#[inline(always)]`. Elsewhere than on x86 every
/// processor has them.
#[inline(always)]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(simd, work);
    }
    work()
}

/// Folds a row in independent lanes, which the compiler keeps in vectors, and those into one in their order. `start` must be
/// neutral.
#[inline(always)]
pub fn fold(
    row: &[f32],
    start: f32,
    fold: impl Fn(f32, f32) -> f32,
    join: impl Fn(f32, f32) -> f32,
) -> f32 {
    let mut lanes = [start; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = fold(lanes[i], chunk[i]);
        }
    }
    for (i, x) in rest.iter().enumerate() {
        lanes[i] = fold(lanes[i], *x);
    }
    lanes.into_iter().fold(start, join)
}

/// The scalar product of vectors of one length, in lanes as well.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let ((chunks_a, rest_a), (chunks_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in chunks_a.iter().zip(chunks_b) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    for (i, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
        lanes[i] += a * b;
    }
    lanes.into_iter().sum()
}

/// `Φ(x)` and `φ(x)` of the standard normal distribution: `Φ` within 3e-7, by Abramowitz and Stegun 7.1.26.
#[inline(always)]
pub fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let gauss = exp(-z * z);
    // Half of 1 - erf(z), from which both signs of x follow without cancellation.
    let tail = 0.5 * p * t * gauss;
    let phi = if x > 0.0 { 1.0 - tail } else { tail };
    (phi, gauss * 0.398_942_3)
}

/// The exponential, relative error below 2e-7; arguments are clamped to ±87, where single precision ends.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 · 2²³ rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    // Taylor's series of e^r; the first term left out is below 1e-8.
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    let power = (shifted.to_bits().wrapping_sub(ROUND.to_bits()) << 23).wrapping_add(0x3f80_0000);
    p * f32::from_bits(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ by its integral (Simpson's rule), and the density, in double precision.
    fn exact_normal(x: f64) -> (f64, f64) {
        let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let (steps, mut sum) = (2000, 0.0);
        let h = x / f64::from(steps);
        for i in 0..=steps {
            let weight = match i {
                0 => 1.0,
                i if i == steps => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            sum += weight * density(f64::from(i) * h);
        }
        (0.5 + sum * h / 3.0, density(x))
    }

    #[test]
    fn the_normal_distribution_is_accurate_over_its_range() {
        for i in -1000..=1000 {
            let x = i as f32 / 100.0;
            let ((phi, density), exact) = (normal(x), exact_normal(f64::from(x)));
            assert!((f64::from(phi) - exact.0).abs() < 3e-7, "Φ({x}) = {phi}");
            assert!(
                (f64::from(density) - exact.1).abs() < 1e-7,
                "φ({x}) = {density}"
            );
        }
        assert_eq!((normal(1e30).0, normal(-1e30).0), (1.0, 0.0));
        assert!(normal(f32::NAN).0.is_nan());
    }

    #[test]
    fn the_exponential_is_accurate_over_its_range() {
        for i in -8700..=8700 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2e-7, "exp({x}): relative error {error}");
        }
        assert_eq!(exp(-1e30), exp(-87.0));
    }

    #[test]
    fn folds_see_every_value_once() {
        for length in [0, 1, 31, 32, 33, 100] {
            let row: Vec<f32> = (0..length).map(|i| (i % 7) as f32).collect();
            let expected: f32 = row.iter().sum();
            assert_eq!(fold(&row, 0.0, |a, b| a + b, |a, b| a + b), expected);
            let largest = fold(&row, f32::NEG_INFINITY, f32::max, f32::max);
            assert_eq!(
                largest,
                row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
            );
            assert_eq!(dot(&row, &row), row.iter().map(|x| x * x).sum::<f32>());
        }
    }
}
