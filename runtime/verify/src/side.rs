//! The two sides of a twin binary, and pairs of things that exist on each.

use serde::Serialize;
use std::ops::{Index, IndexMut};

/// One of the two instruction sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// x86-64.
    Home,
    /// aarch64.
    Visitor,
}

impl Side {
    /// Both, home first.
    pub const BOTH: [Side; 2] = [Side::Home, Side::Visitor];

    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Home => Side::Visitor,
            Side::Visitor => Side::Home,
        }
    }
}

/// One thing for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair<T> {
    /// x86-64's.
    pub home: T,
    /// aarch64's.
    pub visitor: T,
}

impl<T> Pair<T> {
    /// Makes both.
    pub fn new(mut make: impl FnMut(Side) -> T) -> Pair<T> {
        Pair { home: make(Side::Home), visitor: make(Side::Visitor) }
    }

    /// Makes both, unless one fails.
    ///
    /// # Errors
    /// The first failure.
    pub fn try_new<E>(mut make: impl FnMut(Side) -> Result<T, E>) -> Result<Pair<T>, E> {
        Ok(Pair { home: make(Side::Home)?, visitor: make(Side::Visitor)? })
    }

    /// Both, borrowed.
    pub fn as_ref(&self) -> Pair<&T> {
        Pair { home: &self.home, visitor: &self.visitor }
    }

    /// Applies `f` to both.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Pair<U> {
        Pair { home: f(self.home), visitor: f(self.visitor) }
    }

    /// Whether both are the same.
    pub fn agree(&self) -> bool
    where
        T: PartialEq,
    {
        self.home == self.visitor
    }
}

impl<T> Index<Side> for Pair<T> {
    type Output = T;
    fn index(&self, side: Side) -> &T {
        match side {
            Side::Home => &self.home,
            Side::Visitor => &self.visitor,
        }
    }
}

impl<T> IndexMut<Side> for Pair<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Home => &mut self.home,
            Side::Visitor => &mut self.visitor,
        }
    }
}
