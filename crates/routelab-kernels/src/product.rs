//! Matrix products by the `gemm` crate, which Burn's `flex` uses as well, behind an interface that is safe.
//!
//! Burn clears and copies the result of every product; ndarray's products run on threads of their own beside rayon's and
//! are slower for transposed operands.

use gemm::Parallelism;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Which threads work on a product. The result is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread only: for products that are themselves spread over threads.
    One,
    /// All of rayon's current pool.
    All,
}

/// `out ← a b`, `[m, k] x [k, n]`. Any layout; fastest if the rows of `out` are contiguous.
///
/// # Panics
/// If the shapes do not belong together.
pub fn product(
    a: ArrayView2<f32>,
    b: ArrayView2<f32>,
    mut out: ArrayViewMut2<f32>,
    threads: Threads,
) {
    let ((m, k), (inner, n)) = (a.dim(), b.dim());
    assert_eq!(k, inner, "columns of `a` and rows of `b`");
    assert_eq!((m, n), out.dim(), "the shape of `out`");
    let ([a_row, a_column], [b_row, b_column]) = (strides(a.strides()), strides(b.strides()));
    let [out_row, out_column] = strides(out.strides());
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    // SAFETY: pointers and strides are those of views, so that all elements of these shapes are valid for reads, and those
    // of `out` for writes; a mutable view has no element twice and shares none with `a` and `b`.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            out_column,
            out_row,
            false,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_column,
            b_row,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn strides(strides: &[isize]) -> [isize; 2] {
    strides.try_into().expect("a matrix has two strides")
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;

    fn numbers(rows: usize, columns: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(i, j)| {
            ((i * 31 + j * 17 + seed * 7) % 23) as f32 - 11.0
        })
    }

    proptest! {
        /// Small whole numbers, so that every order of the terms gives the same sum.
        #[test]
        fn products_of_any_shape_and_layout_are_those_of_the_definition(
            m in 0usize..70, k in 0usize..70, n in 0usize..70, layout in 0usize..16,
        ) {
            let transposed = |bit: usize| layout >> bit & 1 == 1;
            let stored = |rows, columns, seed, bit| if transposed(bit) { numbers(columns, rows, seed).reversed_axes() } else { numbers(rows, columns, seed) };
            let (a, b) = (stored(m, k, 1, 0), stored(k, n, 2, 1));
            let threads = if transposed(3) { Threads::All } else { Threads::One };
            let expected = Array2::from_shape_fn((m, n), |(i, j)| {
                (0..k).map(|l| a[[i, l]] * b[[l, j]]).sum::<f32>()
            });
            let mut out = stored(m, n, 3, 2);
            product(a.view(), b.view(), out.view_mut(), threads);
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn only_the_part_that_is_asked_for_is_written() {
        let (a, b) = (numbers(5, 3, 1), numbers(3, 4, 2));
        let mut out = Array2::from_elem((7, 9), 0.5);
        product(
            a.view(),
            b.view(),
            out.slice_mut(s![1..6, 2..6]),
            Threads::One,
        );
        assert_eq!(out.slice(s![1..6, 2..6]), a.dot(&b));
        assert_eq!(out.iter().filter(|&&value| value == 0.5).count(), 63 - 20);
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let values = |rows, columns| {
            Array2::from_shape_fn((rows, columns), |(i, j)| {
                ((i * 131 + j * 71) % 997) as f32 / 499.0
            })
        };
        for (m, k, n) in [
            (128, 1024, 512),
            (512, 384, 1000),
            (1, 512, 512),
            (300, 512, 1),
        ] {
            let (a, b) = (values(m, k), values(k, n));
            let on = |count, threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
                let mut out = Array2::zeros((m, n));
                let work = || product(a.view(), b.view(), out.view_mut(), threads);
                pool.expect("threads can be started").install(work);
                out
            };
            let one = on(1, Threads::One);
            assert!(
                one == on(2, Threads::All) && one == on(5, Threads::All),
                "{m} {k} {n}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "columns of `a` and rows of `b`")]
    fn shapes_must_belong_together() {
        let (a, b) = (numbers(2, 3, 1), numbers(2, 3, 2));
        product(
            a.view(),
            b.view(),
            Array2::zeros((2, 3)).view_mut(),
            Threads::One,
        );
    }
}
