//! The routers of the registry on tables whose right answer is known.

mod archives;
mod calibrated;
mod cluster_means;
mod clusters;
mod common;
mod cost;
mod deployed;
mod fixed;
mod gbt;
mod knn;
mod linear;
mod linear_mf;
mod margin;
mod mask;
mod neural;
mod objectives;
mod own;
mod pairwise;
mod prudent;
mod settings;
mod svr;
mod trade_off;
