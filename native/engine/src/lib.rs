//! The data plane of LANCE.
