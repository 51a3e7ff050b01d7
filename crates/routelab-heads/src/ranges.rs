//! Ranges of settings; every error names the setting and what was expected.

/// A whole number of at least 1.
pub fn at_least_one(name: &str, value: usize) -> Result<(), String> {
    if value >= 1 {
        return Ok(());
    }
    Err(format!("`{name}` must be at least 1"))
}

/// A number above 0.
pub fn above_zero(name: &str, value: f64) -> Result<(), String> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(format!("`{name}` must be a number above 0, not {value}"))
}

/// A number of at least 0.
pub fn not_negative(name: &str, value: f64) -> Result<(), String> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(format!(
        "`{name}` must be a number of at least 0, not {value}"
    ))
}

/// A number from 0 to 1.
pub fn share(name: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(format!(
        "`{name}` must be a number from 0 to 1, not {value}"
    ))
}
