//! The numbers of a figure as CSV.

use crate::PlotError;

/// A table under construction.
pub(crate) struct Table(csv::Writer<Vec<u8>>);

/// A number in its shortest form that reads back as itself; nothing for a missing one.
pub(crate) fn number(value: impl Into<Option<f64>>) -> String {
    value.into().map_or_else(String::new, |v| v.to_string())
}

impl Table {
    pub fn new(header: &[&str]) -> Result<Table, PlotError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(header)?;
        Ok(Table(writer))
    }

    pub fn row<const N: usize>(&mut self, cells: [&str; N]) -> Result<(), PlotError> {
        Ok(self.0.write_record(cells)?)
    }

    pub fn finish(self) -> Result<Vec<u8>, PlotError> {
        self.0
            .into_inner()
            .map_err(|e| PlotError::Csv(e.into_error().into()))
    }
}
