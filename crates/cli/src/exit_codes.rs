//! The exit codes of the program, as `--help` and docs/commands.md list them.

/// Each code and what it means.
const EXIT_CODES: [(u8, &str); 10] = [
    (0, "done"),
    (
        1,
        "anything else, such as a file of `--to` or standard output that cannot be written",
    ),
    (2, "wrong arguments or configuration"),
    (3, "data, an image or weights cannot be read"),
    (4, "the device is not available, or no preset fits it"),
    (
        5,
        "the run directory or a checkpoint cannot be read or written, or was changed",
    ),
    (6, "training diverged"),
    (
        7,
        "memory does not suffice: for a sample, a plan, `fit`, the data or the program itself",
    ),
    (8, "the device failed, and again after a restart"),
    (
        130,
        "stopped by a signal (Ctrl-C, TERM, HUP or USR2); a checkpoint was saved",
    ),
];

/// The list for the end of `--help`.
pub fn help() -> String {
    let lines = EXIT_CODES.map(|(code, meaning)| format!("  {code:<4} {meaning}\n"));
    format!("Exit codes:\n{}", lines.concat().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table below a heading that begins so.
    fn rows<'a>(page: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
        let lines = page.lines().skip_while(|line| !line.starts_with(heading));
        let rows = lines
            .skip(2)
            .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        rows.filter_map(|row| row.split_once(" | ")).collect()
    }

    #[test]
    fn the_pages_list_the_exit_codes() {
        let codes = EXIT_CODES.map(|(code, _)| code.to_string());
        let expected: Vec<_> = codes
            .iter()
            .map(String::as_str)
            .zip(EXIT_CODES.map(|(_, meaning)| meaning))
            .collect();
        let english = rows(include_str!("../../../docs/commands.md"), "| exit code |");
        assert_eq!(english, expected);
        let chinese = rows(
            include_str!("../../../docs/commands.zh-CN.md"),
            "| 退出码 |",
        );
        let chinese: Vec<_> = chinese.into_iter().map(|(code, _)| code).collect();
        assert_eq!(chinese, codes);
    }
}
