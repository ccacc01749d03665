//! Typed indices, and pairs of things that exist once for each ISA.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A typed index into a [`Table`].
pub trait Id: Copy {
    /// The id of the entry at `index`.
    fn new(index: usize) -> Self;
    /// Position in the table.
    fn index(self) -> usize;
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl Id for $name {
            fn new(index: usize) -> Self {
                $name(u32::try_from(index).expect("fewer than 2^32 entries"))
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A fat object that takes part in the link.
    ObjectId;
    /// A section of a fat object (or of the linker itself): one entry even if it exists on both ISAs.
    SectionId;
    /// A global symbol name.
    SymbolId;
    /// A section of the executable.
    OutputId;
    /// A member of an archive.
    MemberId;
}

/// A vector that is indexed by one kind of id only.
#[derive(Clone, Debug)]
pub struct Table<I, T> {
    entries: Vec<T>,
    id: PhantomData<I>,
}

impl<I: Id, T> Table<I, T> {
    /// Appends an entry.
    pub fn push(&mut self, entry: T) -> I {
        self.entries.push(entry);
        I::new(self.entries.len() - 1)
    }

    /// The id that the next [`Table::push`] returns.
    pub fn next_id(&self) -> I {
        I::new(self.entries.len())
    }

    /// All ids in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + use<I, T> {
        (0..self.entries.len()).map(I::new)
    }

    /// All entries with their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> {
        self.entries.iter().enumerate().map(|(i, entry)| (I::new(i), entry))
    }

    /// All entries, mutable.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut()
    }

    /// All entries.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.iter()
    }
}

impl<I, T> Default for Table<I, T> {
    fn default() -> Self {
        Table { entries: Vec::new(), id: PhantomData }
    }
}

impl<I: Id, T> Index<I> for Table<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        &self.entries[id.index()]
    }
}

impl<I: Id, T> IndexMut<I> for Table<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.entries[id.index()]
    }
}

/// One of the two machines of a twin binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The ISA of the executable file itself.
    Home,
    /// The ISA whose image is embedded.
    Visitor,
}

impl Side {
    /// Home first.
    pub const BOTH: [Side; 2] = [Side::Home, Side::Visitor];

    /// The other machine.
    pub fn other(self) -> Side {
        match self {
            Side::Home => Side::Visitor,
            Side::Visitor => Side::Home,
        }
    }
}

/// One value for each machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair<T> {
    /// For [`Side::Home`].
    pub home: T,
    /// For [`Side::Visitor`].
    pub visitor: T,
}

impl<T> Pair<T> {
    /// Makes both values, home first.
    pub fn new(mut make: impl FnMut(Side) -> T) -> Pair<T> {
        Pair { home: make(Side::Home), visitor: make(Side::Visitor) }
    }

    /// Makes both values, home first, or fails with the first error.
    pub fn try_new<E>(mut make: impl FnMut(Side) -> Result<T, E>) -> Result<Pair<T>, E> {
        Ok(Pair { home: make(Side::Home)?, visitor: make(Side::Visitor)? })
    }

    /// Both values, home first.
    pub fn iter(&self) -> impl Iterator<Item = (Side, &T)> {
        [(Side::Home, &self.home), (Side::Visitor, &self.visitor)].into_iter()
    }

    /// Both values by reference.
    pub fn as_ref(&self) -> Pair<&T> {
        Pair { home: &self.home, visitor: &self.visitor }
    }
}

impl<T> Pair<Option<T>> {
    /// Whether both are there.
    pub fn is_both(&self) -> bool {
        self.home.is_some() && self.visitor.is_some()
    }

    /// The one that is there, home if both are.
    pub fn any(&self) -> Option<&T> {
        self.home.as_ref().or(self.visitor.as_ref())
    }

    /// The sides where there is a value.
    pub fn sides(&self) -> impl Iterator<Item = Side> + use<T> {
        let there = [self.home.is_some(), self.visitor.is_some()];
        Side::BOTH.into_iter().zip(there).filter_map(|(side, there)| there.then_some(side))
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
