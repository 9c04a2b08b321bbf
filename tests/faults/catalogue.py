"""The faults that infogan survives, and the tests that inject them.

`python -m tests.faults` runs these tests; a test that does not exist is an error.
"""

from __future__ import annotations

from dataclasses import dataclass

_CHECKPOINT = "tests/faults/test_checkpoint_faults.py"
_TRAINING = "tests/faults/test_training_faults.py"
_PYTHON = "tests/faults/test_python_faults.py"
_DOWNLOAD = "tests/faults/test_download.py"
_FOLDER = "tests/data/sources/test_folder.py"
_ARCHIVES, _ARRAYS = "tests/data/test_archives.py", "tests/data/test_arrays.py"
_CACHE, _LINKS = "tests/data/test_cache.py", "tests/test_file_listing.py"
_MODEL, _GUARD = "tests/test_model.py", "tests/training/test_guard.py"
_SERVICE, _SERVING = "tests/explorer/test_service.py", "tests/explorer/test_serving.py"
_REQUESTS, _DISTRIBUTED = "tests/explorer/test_request_guard.py", "tests/training/test_distributed.py"
_OWN_FOLDERS = "tests/data/test_own_folders.py"
_CLI, _DISCOVER = "tests/test_cli.py", "tests/discovery/test_discover.py"


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        number: in the list of faults.
        what: happens.
        tests: inject it: files, or FILE::TEST with all parameters.
    """

    number: int
    what: str
    tests: tuple[str, ...] = ()


def _in(file: str, *tests: str) -> tuple[str, ...]:
    return tuple(f"{file}::test_{test}" for test in tests)


FAULTS = (
    Fault(1, "SIGKILL at each named point of a save", (
        *_in(_CHECKPOINT, "a_kill_leaves_the_previous_or_the_new_checkpoint",
             "a_kill_while_one_is_replaced_leaves_the_old_or_the_new",
             "a_kill_half_way_through_a_file_tears_it"),
        *_in(_TRAINING, "killed_while_saving"))),
    Fault(2, "SIGKILL at random times: with --kills"),
    Fault(3, "the serializer raises within a save", (
        *_in(_CHECKPOINT, "a_serializer_that_raises_leaves_nothing_and_the_next_save_works",
             "an_exception_at_any_point_leaves_nothing_half"),
        *_in(_TRAINING, "a_save_that_fails_once_costs_only_itself"))),
    Fault(4, "the disk is full while a checkpoint is saved", (
        *_in(_CHECKPOINT, "a_full_disk_leaves_the_previous_one_and_says_what_is_needed"),
        *_in(_TRAINING, "a_full_disk_stops_with_the_last_checkpoint"))),
    Fault(5, "the disk is full in the log or a picture", (
        *_in("tests/runs/test_metrics_log.py", "a_full_disk_is_reported_once_and_leaves_whole_lines"),
        *_in("tests/training/test_runner.py", "a_picture_that_cannot_be_written_costs_only_itself",
             "lines_that_cannot_be_written_cost_only_themselves"))),
    Fault(6, "the newest checkpoint is truncated", _in(_CHECKPOINT, "a_truncated_newest_is_passed_over")),
    Fault(7, "a byte of a checkpoint or model is flipped", (
        *_in(_CHECKPOINT, "every_flipped_byte_of_the_newest_is_noticed", "all_damaged_lists_all",
             "a_file_too_many_is_noticed"),
        *_in(_TRAINING, "a_damaged_checkpoint_is_named_and_the_one_before_used",
             "no_intact_checkpoint_is_refused", "a_damaged_model_is_refused"))),
    Fault(8, "the last line of the log is torn", (
        *_in(_CHECKPOINT, "a_log_torn_at_any_byte_goes_on_without_a_step_twice"),
        *_in(_TRAINING, "a_torn_line_of_metrics_is_dropped",
             "lines_behind_the_checkpoint_are_written_again"))),
    Fault(9, "the run is deleted while it trains", (
        *_in(_TRAINING, "a_deleted_run_stops_the_training"),
        *_in("tests/training/test_runner.py", "a_run_directory_that_goes_away_stops_the_training"))),
    Fault(10, "two processes with one run", (
        *_in(_CHECKPOINT, "a_second_process_is_refused_until_the_first_is_killed"),
        *_in(_TRAINING, "a_second_process_is_refused_with_the_holder"))),
    Fault(11, "a run is resumed with another configuration", _in(
        _TRAINING, "a_changed_configuration_is_shown_and_refused",
        "override_goes_on_with_another_configuration", "free_keys_change_nothing",
        "other_images_are_refused", "images_that_moved_are_the_same_images")),
    Fault(12, "a run is stopped and resumed at any step", _in(
        _TRAINING, "resumed_training_equals_the_undisturbed_one",
        "a_resumed_training_under_spectral_norm_is_the_same")),
    Fault(13, "a run is resumed with another number of processes", _in(
        _DISTRIBUTED, "several_processes_train_as_one_does",
        "a_signal_to_any_process_saves_the_run_at_one_step")),
    Fault(14, "SIGTERM at any time", _in(
        _TRAINING, "a_signal_in_a_step_saves_and_stops", "a_second_sigterm_changes_nothing",
        "a_signal_while_a_picture_is_drawn", "a_signal_while_images_are_loaded",
        "a_signal_after_the_training", "sigterm_from_outside")),
    Fault(15, "SIGINT once and twice", (
        *_in(_TRAINING, "sigint_twice_ends_at_once_though_a_save_hangs"),
        *_in("tests/test_signals.py", "only_a_second_ctrl_c_ends_at_once"))),
    Fault(16, "NaN in a loss or a gradient", _in(
        _GUARD, "nothing_changes_from_the_first_bad_step_on",
        "a_bad_loss_of_the_generator_leaves_the_generator",
        "a_bad_bound_in_the_generator_s_update_leaves_the_generator",
        "a_nan_in_the_gradient_of_one_parameter_is_not_applied")),
    Fault(17, "NaN in the moving average only", _in(
        "tests/training/test_runner.py", "weights_that_are_not_finite_are_never_saved")),
    Fault(18, "training diverges", _in(
        _TRAINING, "divergence_names_step_and_remedy_and_keeps_the_checkpoint", "divergence_from_the_start")),
    Fault(19, "out of memory in a step", _in(
        _PYTHON, "out_of_memory_names_a_smaller_batch_and_the_checkpoint")),
    Fault(20, "a folder is empty, missing, or has no or one image", _in(
        _FOLDER, "too_few_images_names_folder_extensions_and_count", "a_path_that_is_no_folder")),
    Fault(21, "image files are damaged", _in(
        _FOLDER, "one_damaged_file_in_a_hundred_is_skipped_with_its_reason",
        "more_than_one_in_a_hundred_stops_with_the_first_paths",
        "a_folder_whose_every_file_is_cut_short_is_refused")),
    Fault(22, "images of every mode", ("tests/data/test_preprocessing.py",)),
    Fault(23, "images of mixed sizes and channels", _in(
        _FOLDER, "mixed_sizes_become_one_and_it_is_said_once", "channels_follow_the_files")),
    Fault(24, "decompression bombs in images", _in(
        _FOLDER, "a_bomb_is_refused_from_its_header", "a_huge_text_chunk_is_refused")),
    Fault(25, "links in a circle, unreadable files, odd names, files that vanish", _in(
        _FOLDER, "links_that_lead_back_end", "odd_names_are_read_and_reported_on_one_line",
        "a_file_that_vanishes_after_the_first_look_is_skipped", "a_file_without_permission_is_skipped")),
    Fault(26, "fewer images than a batch", _in(_PYTHON, "fewer_images_than_a_batch_are_trained_or_refused")),
    Fault(27, "a download fails in any way", (_DOWNLOAD,)),
    Fault(28, "members of archives lead out of them", _in(
        _ARCHIVES, "names_that_lead_out_are_refused", "links_and_devices_are_refused",
        "a_link_in_a_zip_file_is_refused")),
    Fault(29, "archive bombs", _in(
        _ARCHIVES, "a_bomb_is_refused_before_it_is_unpacked", "a_member_longer_than_it_says_is_no_picture",
        "an_archive_of_archives_has_no_pictures", "too_many_entries_are_refused",
        "an_encrypted_zip_is_told")),
    Fault(30, "damaged MNIST, SVHN and dSprites files", (
        *_in("tests/data/sources/test_mnist.py", "damaged_files_are_refused_with_their_path",
             "images_and_labels_must_agree_in_number"),
        *_in("tests/data/sources/test_svhn.py", "other_contents_are_refused", "cut_files_are_refused",
             "files_of_other_formats_are_refused"),
        *_in("tests/data/sources/test_dsprites.py", "damaged_files_are_refused",
             "headers_that_promise_something_else_than_is_there"),
        *_in(_ARRAYS, "pickled_images_are_refused_and_never_run"))),
    Fault(31, "a pickle in place of weights", _in(_MODEL, "a_pickle_is_not_opened")),
    Fault(32, "weights that do not fit", (
        *_in(_MODEL, "weights_that_do_not_fit_are_named",
             "only_the_first_misfits_are_listed_and_none_is_taken_over"),
        *_in(_TRAINING, "weights_of_another_configuration_are_named"))),
    Fault(33, "a configuration that does not fit", (
        *_in(_TRAINING, "a_configuration_that_does_not_fit"),
        *_in("tests/config/test_toml.py", "a_value_that_does_not_fit_is_named_with_its_line",
             "an_unknown_key_is_named_with_its_line_and_the_nearest_known"))),
    Fault(34, "files of another version", (
        "tests/config/test_migration.py", *_in("tests/runs/test_checkpoint.py", "another_format_is_named"))),
    Fault(35, "requests to the explorer that do not fit", (
        *_in(_SERVICE, "a_question_that_makes_no_sense_is_refused", "large_numbers_are_clamped",
             "a_file_that_is_no_picture_is_refused_with_the_reason", "a_decompression_bomb_is_refused",
             "images_that_do_not_exist_are_refused", "a_name_that_does_not_fit_is_refused"),
        *_in(_REQUESTS, "a_body_over_the_limit_is_refused_also_without_its_length",
             "a_false_length_is_refused", "too_many_requests_are_refused_and_later_ones_are_not",
             "a_request_that_takes_too_long_is_ended", "a_body_that_does_not_arrive_is_not_waited_for"),
        *_in(_SERVING, "many_requests_at_once_leave_the_server_alive",
             "a_large_body_is_refused_before_it_is_read", "a_silent_connection_is_closed"))),
    Fault(36, "requests to the explorer that lead out", (
        *_in(_SERVICE, "no_other_file_is_served"),
        *_in(_REQUESTS, "an_unknown_host_is_refused", "a_request_of_another_page_is_refused",
             "a_token_is_needed_for_everything_but_the_page"))),
    Fault(37, "a reader that has gone, a port in use", (
        *_in(_CLI, "a_reader_that_has_gone_is_no_error", "streams_that_the_shell_closed"),
        *_in(_SERVING, "the_next_free_port_is_used", "a_given_port_in_use_is_refused_with_a_free_one"))),
    Fault(38, "one of several processes dies", _in(
        _DISTRIBUTED, "when_one_process_is_killed_the_other_ends_and_the_checkpoint_is_good")),
    Fault(39, "processes disagree on images or configuration", _in(
        _DISTRIBUTED, "a_process_with_other_images_is_refused_before_the_first_step")),
    Fault(40, "an export differs from the model, or a package is missing", (
        *_in("tests/export/test_onnx_files.py", "a_network_that_differs_from_the_model_is_refused"),
        *_in("tests/export/test_hub_upload.py", "the_missing_package_is_named_with_its_extra"))),
    Fault(41, "images are added or removed after training", ("tests/test_changed_images.py",)),
    Fault(42, "several processes, containers or threads prepare one cache", _in(
        _CACHE, "containers_with_one_host_name_and_process_id_prepare_one_cache",
        "threads_prepare_one_cache_once", "without_locks_each_prepares_its_own_and_both_succeed",
        "a_damaged_set_is_made_anew")),
    Fault(43, "a changed byte in a MATLAB file", ("tests/test_matlab.py",)),
    Fault(44, "a folder with pictures that infogan wrote", _in(_LINKS, "what_infogan_wrote_is_left_out")),
    Fault(45, "config.toml is edited, or torch, threads and device are others", (
        "tests/training/test_resumption.py",
        *_in(_TRAINING, "a_configuration_edited_by_hand_is_shown_and_refused",
             "other_conditions_are_logged_and_kept"))),
    Fault(46, "a discovery is stopped in any phase", _in(
        _DISCOVER, "a_stop_at_every_phase_changes_no_byte_of_the_result",
        "a_stopped_discovery_resumes_with_the_same_command", "a_damaged_state_is_refused_with_what_to_do")),
    Fault(47, "nobody reads stderr; stdout is full", _in(
        _CLI, "progress_that_nobody_reads_ends_no_training", "a_full_disk_behind_stdout_is_a_storage_error")),
    Fault(48, "tables of codes meet unreadable images, foreign files and formulas", (
        *_in("tests/encoding/test_code_table.py", "unreadable_files_are_reported_and_have_no_row",
             "no_readable_image_leaves_an_older_table_as_it_is"),
        *_in("tests/encoding/test_table_files.py", "a_text_that_a_spreadsheet_would_run_becomes_a_path",
             "a_file_of_somebody_else_is_never_replaced", "a_name_that_is_not_utf_8_can_be_stored",
             "an_error_while_writing_keeps_the_older_file"),
        *_in(_OWN_FOLDERS, "the_tables_of_prepared_images_hold_no_formulas"))),
    Fault(49, "SIGHUP and SIGXCPU", (
        *_in("tests/test_signals.py", "a_signal_raises_at_once", "a_hangup_that_nohup_ignores_stays_ignored"),
        *_in(_TRAINING, "a_signal_in_a_step_saves_and_stops"))),
    Fault(50, "out of memory before the first step", _in(_PYTHON, "networks_that_do_not_fit_are_refused")),
    Fault(51, "compressed tar bombs", _in(
        _ARCHIVES, "a_compressed_tar_file_decompresses_to_no_more_than_its_size_allows")),
    Fault(52, "no home folder, a read-only cache, a file system without locks", (
        "tests/test_locks.py",
        *_in(_CACHE, "a_cache_that_cannot_be_written_names_the_variable",
             "without_a_usable_home_the_message_names_the_variable"))),
    Fault(53, "names that are no UTF-8", (
        *_in(_CLI, "a_path_that_no_configuration_can_hold_is_refused_at_once"),
        *_in(_FOLDER, "odd_names_are_read_and_reported_on_one_line"))),
    Fault(54, "the cache grows", _in(
        _CACHE, "clean_deletes_what_is_not_used_and_only_that", "reading_prepared_images_counts_as_use",
        "a_set_that_is_being_written_is_not_cleaned", "new_images_sweep_what_killed_processes_left",
        "check_states_sizes")),
    Fault(55, "a model folder that asks for more than it holds, or has NaN", _in(
        _MODEL, "a_configuration_that_asks_for_more_than_its_weights_is_refused_before_it_is_built",
        "weights_that_are_not_finite_are_refused", "texts_of_a_model_that_are_none_are_refused")),
    Fault(56, "damaged arrays, prepared folders, logs and selections", (
        *_in(_CACHE, "a_damaged_set_is_made_anew", "a_folder_that_lists_no_images_is_refused_as_data"),
        *_in(_ARRAYS, "headers_that_promise_something_else_than_is_there", "cut_files"),
        *_in("tests/training/test_seed_selection.py", "a_damaged_selection_is_named"))),
    Fault(57, "links that lead out of a folder", _in(
        _LINKS, "links_are_followed_within_the_folder_only",
        "a_sibling_whose_name_begins_alike_is_outside")),
    Fault(58, "Ctrl-C in a script or notebook", _in(
        _PYTHON, "ctrl_c_saves_and_returns_the_model_of_that_step",
        "ctrl_c_in_a_training_of_several_seeds_names_the_run",
        "ctrl_c_before_training_is_a_plain_keyboard_interrupt",
        "the_stop_button_of_a_notebook_saves_and_the_kernel_lives")),
    Fault(59, "Windows without fcntl and pread", _in(
        "tests/test_locks.py", "windows_has_no_calls_that_storage_needs")),
    Fault(60, "two discoveries with one folder", _in(
        _DISCOVER, "two_discoveries_with_one_folder_are_not_mixed")),
    Fault(61, "a run trained on an array is used without it", _in(
        _PYTHON, "a_run_trained_on_an_array_is_evaluated_reported_and_resumed_from_anywhere",
        "an_array_may_be_given_to_resume", "one_of_several_seeds_finds_the_images_of_all")),
    Fault(62, "crafted prepared folders, models and checkpoints with right checksums: with --fuzz"),
    Fault(63, "a data set of the hub gets a new commit, or there is no connection", _in(
        "tests/data/sources/test_hub.py", "a_run_records_the_commit_and_finds_its_images_after_a_new_one",
        "prepared_images_stay_those_of_their_commit", "offline_another_commit_is_refused",
        "out_of_reach_the_hub_is_asked_once")),
    Fault(64, "the files of a named data set are others than in training", _in(
        "tests/test_changed_images.py", "a_run_of_a_named_data_set_refuses_other_files_of_it")),
    Fault(65, "a small .npz file that holds a large array", _in(
        _ARRAYS, "a_large_array_that_is_packed_too_small_is_refused_unread",
        "a_bomb_that_keeps_its_promise_is_refused_unread")),
    Fault(66, "a byte of a Parquet file at which Arrow ends the process", _in(
        _OWN_FOLDERS, "a_byte_changed_anywhere_in_a_table_is_a_message",
        "no_byte_of_the_footer_of_a_table_ends_the_process")),
)  # fmt: skip
