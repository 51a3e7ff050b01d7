//! Routing data: what every candidate model scored and cost on every query.
