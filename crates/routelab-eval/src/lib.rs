//! Evaluation of routers.
