//! The environment variables, as a value: only the validated settings look at them.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

/// Looks environment variables up.
#[derive(Clone)]
pub(crate) struct Environment {
    lookup: Arc<Lookup>,
}

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

impl Environment {
    /// The variables of this process.
    pub(crate) fn of_process() -> Self {
        Self { lookup: Arc::new(|name| std::env::var_os(name)) }
    }

    /// The value of a variable; an empty one is as good as none.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Environment {
    /// Without the values: some are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Environment {
    /// Only these variables.
    pub(crate) fn of(variables: &'static [(&'static str, &'static str)]) -> Self {
        let find = move |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        Self { lookup: Arc::new(find) }
    }
}
