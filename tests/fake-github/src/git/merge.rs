//! Merges without a checkout.

use super::{Commit, Git, Signature};

impl Git {
    /// The tree that merging would give; none if it conflicts.
    pub(crate) fn merged_tree(&self, base: &str, head: &str) -> Option<String> {
        self.ask(&["merge-tree", "--write-tree", "--no-messages", base, head])
    }

    /// The commits of `head` put upon `base`, one after the other; none if one conflicts.
    pub(crate) fn rebased(&self, base: &str, head: &str, committer: &Signature) -> Option<String> {
        let mut tip = base.to_owned();
        for Commit { sha, parents, author, message, .. } in self.between(base, head) {
            let parent = parents.first()?;
            let merge_base = format!("--merge-base={parent}");
            let tree = self.ask(&["merge-tree", "--write-tree", "--no-messages", &merge_base, &tip, &sha])?;
            tip = self.write_commit(&tree, &[&tip], &message, &author, committer);
        }
        Some(tip)
    }

    /// Moves a branch from the commit to another one; false if it is elsewhere.
    pub(crate) fn move_branch(&self, branch: &str, from: Option<&str>, to: &str) -> bool {
        let zero = "0".repeat(40);
        self.ask(&["update-ref", &format!("refs/heads/{branch}"), to, from.unwrap_or(&zero)]).is_some()
    }

    /// Puts a commit with these files on a branch and returns it; a branch that is not there starts at `start`.
    pub(crate) fn commit_files(
        &self,
        branch: &str,
        start: Option<&str>,
        files: &[(&str, Option<&[u8]>)],
        message: &str,
        who: &Signature,
    ) -> String {
        let tip = self.branches().get(branch).cloned();
        let parent = tip.clone().or_else(|| start.map(str::to_owned));
        let tree = self.write_tree(parent.as_deref(), files);
        let parents: Vec<&str> = parent.as_deref().into_iter().collect();
        let commit = self.write_commit(&tree, &parents, message, who, who);
        let moved = self.move_branch(branch, tip.as_deref(), &commit);
        assert!(moved, "the branch {branch} was changed by somebody else meanwhile");
        commit
    }

    /// The fake's own look at its repository, for tests: a file on a branch.
    pub(crate) fn file(&self, branch: &str, path: &str) -> Option<String> {
        let output = self.command(&["show", &format!("refs/heads/{branch}:{path}")]).output().expect("git is there");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
