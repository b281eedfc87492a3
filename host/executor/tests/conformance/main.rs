//! What every executor does, tried with real processes and real containers; and what only Docker's walls do.
//!
//! The same cases run on both. Nothing is skipped: without an engine the Docker half fails and says what to do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod build;
mod cases;
#[expect(dead_code, clippy::print_stdout, reason = "a program of its own: `rig::peer` builds it for the inside")]
mod peer;
mod pull;
mod registry;
mod rig;
mod services;
mod spool;
mod walls;
mod way_out;
mod without_walls;

macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        mod docker { $(#[tokio::test] async fn $case() { crate::rig::docker(crate::cases::$case).await; })+ }
        mod local { $(#[tokio::test] async fn $case() { crate::rig::local(crate::cases::$case).await; })+ }
        /// A case that is in no list would never run.
        #[test]
        fn no_case_is_forgotten() {
            let written = include_str!("cases.rs").matches("pub(crate) async fn ").count();
            assert_eq!(written, [$(stringify!($case)),+].len());
        }
    };
}

conformance! {
    output_is_kept_as_it_was_said,
    exit_codes_and_signals_are_told_apart,
    input_is_what_was_given,
    input_that_stays_open_takes_more_and_ends_when_told,
    input_of_one_that_was_adopted_goes_on_where_it_was,
    files_are_there_and_belong_to_the_command,
    the_environment_is_exactly_what_was_given,
    the_working_folder_and_mounts_are_there,
    a_missing_program_is_named,
    a_program_that_cannot_run_is_named,
    a_missing_working_folder_is_named,
    a_missing_mount_is_named,
    a_nonsensical_description_is_refused,
    starting_twice_runs_once,
    another_executor_adopts_it,
    kill_ends_everything_at_once,
    pause_holds_it_and_unpause_lets_it_go,
    a_paused_one_can_be_stopped_and_removed,
    stop_asks_first,
    stop_insists_after_the_grace,
    removing_is_final_and_repeatable,
    a_removed_name_can_start_again,
    the_list_shows_this_instance_only,
    nothing_outlives_the_command,
    orphans_are_buried,
    a_flood_is_cut_and_the_command_goes_on,
    a_long_line_stays_whole,
    reading_on_gives_what_reading_once_gives,
}
