//! Where the configuration is: its file, and the home folder that it starts from.

use super::{Problems, secret::Environment};
use std::path::{Path, PathBuf};

/// What is known before a file is read.
pub(super) struct Place {
    /// None: there is none, and all is default.
    pub(super) file: Option<PathBuf>,
    /// The home folder, unless the file says another.
    pub(super) home: PathBuf,
    /// The home folder that the command line names, which is over the file's.
    pub(super) option: Option<PathBuf>,
}

impl Place {
    /// `file` and `home` are the command line's. Without `file` it is `AGENTD_CONFIG`, or `agentd.toml` in the home folder,
    /// or else in `~/.config/agentd`.
    pub(super) fn find(
        file: Option<&Path>,
        home: Option<&Path>,
        environment: &Environment,
        problems: &mut Problems,
    ) -> Place {
        let here = here();
        let option = home.map(|home| here.join(home));
        let home = option.clone().unwrap_or_else(|| {
            let text = environment.get("AGENTD_HOME").unwrap_or("~/.local/share/agentd");
            environment.expand(text, &here).unwrap_or_else(|what| {
                problems.add_elsewhere("home", what);
                here.clone()
            })
        });
        let named = file.map(Path::to_owned).or_else(|| environment.get("AGENTD_CONFIG").map(PathBuf::from));
        let file = match named {
            Some(file) => Some(here.join(file)),
            None => [Some(in_home(&home)), of_user(environment)].into_iter().flatten().find(|it| it.exists()),
        };
        Place { file, home, option }
    }

    /// What relative paths start from.
    pub(super) fn folder(&self) -> PathBuf {
        self.file.as_deref().and_then(Path::parent).unwrap_or(&self.home).to_owned()
    }
}

/// Where the file is; where there is none yet, where it belongs: in the home folder if somebody names one, else among the
/// user's own.
///
/// # Errors
/// The home folder cannot be told.
pub(crate) fn file_to_write(
    file: Option<&Path>,
    home: Option<&Path>,
    environment: &Environment,
) -> Result<PathBuf, Problems> {
    let mut problems = Problems::default();
    let place = Place::find(file, home, environment, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let named = home.is_some() || environment.get("AGENTD_HOME").is_some();
    let new = || of_user(environment).filter(|_| !named).unwrap_or_else(|| in_home(&place.home));
    Ok(place.file.clone().unwrap_or_else(new))
}

fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

fn in_home(home: &Path) -> PathBuf {
    home.join("agentd.toml")
}

fn of_user(environment: &Environment) -> Option<PathBuf> {
    environment.expand("~/.config/agentd/agentd.toml", &here()).ok()
}
