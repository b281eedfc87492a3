//! The gateway as an agent sees it: through its socket, with a scripted provider behind it.

mod bed;
mod door;
mod faults;
mod money;
mod routes;
