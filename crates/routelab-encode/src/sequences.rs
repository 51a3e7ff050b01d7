//! Sequences that lie one after another in a packed batch.

use burn::tensor::{Device, Tensor};

#[cfg(feature = "cubecl")]
use crate::card::Places;

/// Sequences of equal length that lie side by side in a packed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// How many sequences.
    pub count: usize,
    /// Tokens of each.
    pub length: usize,
}

/// How the tokens of a packed batch divide into sequences, on the device where they are.
pub(crate) struct Sequences<'a> {
    runs: &'a [Run],
    /// For the kernels of graphics cards.
    #[cfg(feature = "cubecl")]
    places: Option<Places>,
}

impl<'a> Sequences<'a> {
    pub fn new(runs: &'a [Run], device: &Device) -> Self {
        #[cfg(not(feature = "cubecl"))]
        let _ = device;
        Self {
            runs,
            #[cfg(feature = "cubecl")]
            places: Places::new(
                runs.iter()
                    .flat_map(|run| std::iter::repeat_n(run.length, run.count)),
                device,
            ),
        }
    }

    /// Sequences of equal length at a time.
    pub fn runs(&self) -> &'a [Run] {
        self.runs
    }

    /// Attention by a kernel for all sequences together, [tokens, 3 · width] → [tokens, width], where there is one.
    pub fn attend(&self, qkv: &Tensor<2>, heads: usize, causal: bool) -> Option<Tensor<2>> {
        #[cfg(feature = "cubecl")]
        {
            (self.places.as_ref()).and_then(|places| places.attend(qkv, heads, causal))
        }
        #[cfg(not(feature = "cubecl"))]
        {
            let _ = (qkv, heads, causal);
            None
        }
    }

    /// The mean row of every sequence: [tokens, width] → [sequences, width].
    pub fn means(&self, x: Tensor<2>) -> Tensor<2> {
        #[cfg(feature = "cubecl")]
        if let Some(means) = (self.places.as_ref()).and_then(|places| places.means(&x)) {
            return means;
        }
        let width = x.dims()[1];
        let mut start = 0;
        let means = self.runs.iter().map(|run| {
            let tokens = x.clone().narrow(0, start, run.count * run.length);
            start += run.count * run.length;
            tokens
                .reshape([run.count, run.length, width])
                .mean_dim(1)
                .reshape([run.count, width])
        });
        Tensor::cat(means.collect(), 0)
    }
}
