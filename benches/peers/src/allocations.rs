//! What something allocates, if that is counted.

/// Allocations, and their bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cost {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// None stands for not counted.
#[cfg(feature = "allocations")]
pub(crate) fn count(run: impl FnOnce()) -> Cost {
    let info = allocation_counter::measure(run);
    Cost { count: info.count_total, bytes: info.bytes_total }
}

#[cfg(not(feature = "allocations"))]
pub(crate) fn count(run: impl FnOnce()) -> Cost {
    run();
    Cost { count: 0, bytes: 0 }
}
