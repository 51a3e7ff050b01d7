//! What queries choose over a list of budgets, as changes.

/// `(position in the list of budgets, model)`
pub(crate) type Change = (usize, usize);

/// One query's choices: `first` at budget 0 of the list, then a new model from each change's budget on.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    pub first: usize,
    /// Strictly ascending positions, each with another model than before.
    pub changes: &'a [Change],
}

impl Path<'_> {
    /// The choice at the budget at `position` of the list.
    pub fn at(&self, position: usize) -> usize {
        let changed = self.changes.partition_point(|&(at, _)| at <= position);
        changed
            .checked_sub(1)
            .map_or(self.first, |last| self.changes[last].1)
    }

    /// The choice at the largest budget.
    pub(crate) fn last(&self) -> usize {
        self.changes.last().map_or(self.first, |&(_, model)| model)
    }
}

/// Every query's choices, as changes; one list for all queries, since most change only a few times.
pub(crate) struct Paths {
    first: Vec<usize>,
    /// Where the changes of every query end; they start where those of the one before end.
    ends: Vec<usize>,
    changes: Vec<Change>,
    /// Per budget, as [`Choices::prices`](crate::Choices::prices).
    pub prices: Vec<Option<f64>>,
}

impl Paths {
    pub fn with(prices: Vec<Option<f64>>) -> Self {
        Self {
            first: Vec::new(),
            ends: Vec::new(),
            changes: Vec::new(),
            prices,
        }
    }

    pub fn row(&self, row: usize) -> Path<'_> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        Path {
            first: self.first[row],
            changes: &self.changes[start..self.ends[row]],
        }
    }

    /// Queries in order.
    pub fn rows(&self) -> impl Iterator<Item = Path<'_>> {
        (0..self.first.len()).map(|row| self.row(row))
    }

    /// Adds the queries that come next.
    pub fn append(&mut self, next: Self) {
        let before = self.changes.len();
        self.first.extend(next.first);
        self.ends.extend(next.ends.iter().map(|end| before + end));
        self.changes.extend(next.changes);
    }

    /// Adds the next query by its choice at the first budget and its changes, ascending.
    pub fn push_path(&mut self, first: usize, changes: impl IntoIterator<Item = Change>) {
        self.first.push(first);
        self.changes.extend(changes);
        self.ends.push(self.changes.len());
    }

    /// Adds the next query: its choice below all steps, and steps `(position of a budget, choice from there on)` from the
    /// last of `budgets` positions down.
    #[inline(always)]
    pub fn push(
        &mut self,
        unaffordable: usize,
        steps: impl Iterator<Item = (usize, usize)>,
        budgets: usize,
    ) {
        let start = self.changes.len();
        let mut to = budgets;
        for (at, model) in steps {
            // What is taken between two budgets only is never seen.
            if at >= to {
                continue;
            }
            to = at;
            match self.changes[start..].last_mut() {
                Some(above) if above.1 == model => above.0 = at,
                _ => self.changes.push((at, model)),
            }
        }
        let mut first = unaffordable;
        if to == 0
            && let Some((_, model)) = self.changes.pop()
        {
            first = model;
        } else if self.changes[start..]
            .last()
            .is_some_and(|lowest| lowest.1 == first)
        {
            self.changes.pop();
        }
        self.first.push(first);
        self.changes[start..].reverse();
        self.ends.push(self.changes.len());
    }
}
