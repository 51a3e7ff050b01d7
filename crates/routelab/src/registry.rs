//! The routers that the program knows.

use std::sync::OnceLock;

use routelab_routers::Registry;

static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// All of this workspace.
pub fn registry() -> &'static Registry {
    REGISTRY.get_or_init(Registry::default)
}
