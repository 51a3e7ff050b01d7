//! The routers of this crate: the only place that lists them.

use std::sync::OnceLock;

use crate::registry::{Registry, RouterInfo};
use crate::{
    avengers, calibrated, carrot, eagle, embedllm, equirouter, fixed, gbt, graphrouter, hybridllm,
    irt, knn, linear, linear_mf, margin, mlp, omnirouter, prudent, regret, routellm_mf,
    routellm_sw, routerdc, svr, uniroute,
};

/// Every router but the oracle, which is not fitted: it is the truth itself.
static ROUTERS: &[fn() -> RouterInfo] = &[
    RouterInfo::of::<fixed::Random>,
    RouterInfo::of::<fixed::Cheapest>,
    RouterInfo::of::<fixed::Strongest>,
    RouterInfo::of::<fixed::BestSingle>,
    RouterInfo::of::<knn::Knn>,
    RouterInfo::of::<avengers::AvengersPro>,
    RouterInfo::of::<avengers::Avengers>,
    RouterInfo::of::<linear::Linear>,
    RouterInfo::of::<linear_mf::LinearMf>,
    RouterInfo::of::<svr::Svr>,
    RouterInfo::of::<gbt::Gbt>,
    RouterInfo::of::<mlp::Mlp>,
    RouterInfo::of::<mlp::MlpMf>,
    RouterInfo::of::<carrot::Carrot>,
    RouterInfo::of::<uniroute::UniRoute>,
    RouterInfo::of::<eagle::Eagle>,
    RouterInfo::of::<routellm_sw::RouteLlmSw>,
    RouterInfo::of::<omnirouter::OmniRouter>,
    RouterInfo::of::<margin::MarginRule>,
    RouterInfo::of::<calibrated::Calibrated>,
    RouterInfo::of::<prudent::Prudent>,
    RouterInfo::of::<embedllm::EmbedLlm>,
    RouterInfo::of::<routellm_mf::RouteLlmMf>,
    RouterInfo::of::<routerdc::RouterDc>,
    RouterInfo::of::<hybridllm::HybridLlm>,
    RouterInfo::of::<irt::Mirt>,
    RouterInfo::of::<irt::Nirt>,
    RouterInfo::of::<graphrouter::GraphRouter>,
    RouterInfo::of::<regret::RmSoftmax>,
    RouterInfo::of::<regret::RmInterval>,
    RouterInfo::of::<equirouter::EquiRouter>,
];

impl Default for Registry {
    fn default() -> Self {
        static ALL: OnceLock<Registry> = OnceLock::new();
        let all = ALL.get_or_init(|| Registry::of(ROUTERS.iter().map(|info| info())));
        all.clone()
    }
}
