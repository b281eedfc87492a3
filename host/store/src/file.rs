//! The database file: how it is made, opened, checked and brought up to date.
//!
//! A file of a newer agentd, of another program, or one that is damaged is refused with words that say what to do, and
//! is left as it is.

use crate::{Error, Fault};
use agentd_task::Millis;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{fs::File, io::Read, path::Path, time::Duration};

/// `agtd`: tells agentd's databases from others.
const APPLICATION_ID: i64 = 0x6167_7464;
/// Each brings the database one version further.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001.sql"), include_str!("migrations/0002.sql"), include_str!("migrations/0003.sql")];
/// The version this program reads and writes.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// How long another process (a backup, say) may hold the database before a write gives up.
const BUSY: Duration = Duration::from_secs(10);
/// Statements kept prepared.
const STATEMENTS: usize = 192;

/// Opens the file, makes it if it is missing, and brings it to [`VERSION`].
pub(crate) fn open_or_make(path: &Path, now: Millis) -> Result<Connection, Error> {
    make_private(path)?;
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check(path, &conn, true)?;
    tune(&conn).map_err(explain(path))?;
    migrate(&mut conn, now).map_err(explain(path))?;
    Ok(conn)
}

/// Opens the file again after its connection became unusable.
pub(crate) fn open_to_write(path: &Path) -> Result<Connection, Error> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check(path, &conn, false)?;
    tune(&conn).map_err(explain(path))?;
    Ok(conn)
}

/// Opens the file so that nothing can be written.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, Error> {
    if !path.exists() {
        return Err(Error::Missing { path: path.into() });
    }
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check(path, &conn, false)?;
    conn.pragma_update(None, "cache_size", -4_000).map_err(explain(path))?;
    conn.pragma_update(None, "query_only", true).map_err(explain(path))?;
    Ok(conn)
}

/// Makes an empty file that nobody else may read; the files beside it take over its rights.
fn make_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt;
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Error::Open { path: path.into(), source: source.into() }),
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Error> {
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(explain(path))?;
    conn.busy_timeout(BUSY).map_err(explain(path))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

/// Whether the file is one that this program may use.
fn check(path: &Path, conn: &Connection, may_be_older: bool) -> Result<(), Error> {
    let number = |pragma| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(explain(path));
    let (application, found) = (number("application_id")?, number("user_version")?);
    let tables =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(explain(path))?;
    match () {
        () if application != APPLICATION_ID && (tables > 0 || found > 0 || application != 0) => {
            Err(Error::Foreign { path: path.into() })
        }
        () if found > VERSION => Err(Error::Newer { path: path.into(), found, known: VERSION }),
        () if found < VERSION && !may_be_older => Err(Error::Older { path: path.into(), found, known: VERSION }),
        () => Ok(()),
    }
}

/// What makes an acknowledged write survive a loss of power, and keeps the write-ahead log small.
fn tune(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // `checkpoint` does it.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.pragma_update(None, "cache_size", -16_000)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(())
}

/// Each version in a transaction of its own: a crash leaves the old one or the new one.
///
/// Foreign keys are looked at when a version is there and not before: a table that is made anew is gone for a moment.
fn migrate(conn: &mut Connection, now: Millis) -> rusqlite::Result<()> {
    conn.pragma_update(None, "foreign_keys", false)?;
    let migrated = migrate_all(conn, now);
    conn.pragma_update(None, "foreign_keys", true)?;
    migrated
}

fn migrate_all(conn: &mut Connection, now: Millis) -> rusqlite::Result<()> {
    loop {
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(script) = usize::try_from(version).ok().and_then(|done| MIGRATIONS.get(done)) else {
            return Ok(());
        };
        tx.execute_batch(script)?;
        if tx.prepare("PRAGMA foreign_key_check")?.exists(())? {
            let text = format!("rows of version {version} refer to rows that are not there");
            return Err(rusqlite::Error::ToSqlConversionFailure(text.into()));
        }
        tx.pragma_update(None, "user_version", version + 1)?;
        if version == 0 {
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.execute("INSERT INTO meta (name, value) VALUES ('instance', ?1)", [random_id()?])?;
            tx.execute("INSERT INTO meta (name, value) VALUES ('created', ?1)", [now.to_string()])?;
        }
        tx.commit()?;
    }
}

/// Eight hexadecimal digits that tell this instance's containers and comments from others'.
fn random_id() -> rusqlite::Result<String> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

fn explain(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    move |error| {
        let (path, source) = (path.into(), Fault::from(error));
        if source.is_corrupt() { Error::Corrupt { path, source } } else { Error::Open { path, source } }
    }
}

#[cfg(test)]
mod tests;
