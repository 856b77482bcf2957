//! Who of those that may use a channel may do something there.

/// Who may do something in a channel, of those whom its [access](crate::Access) admits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    /// All of them.
    #[default]
    All,
    /// Whoever has a name.
    User,
    /// Whoever has subscribed to the channel on this connection.
    Subscriber,
    /// Whoever has a token for the channel, or was given it in another way.
    Token,
}

impl Allow {
    /// Whether somebody may whose connection belongs to this user, empty when nobody has said, who
    /// was given this channel or not, and who has subscribed to it or not.
    #[must_use]
    pub fn admits(self, user: &str, is_granted: bool, is_subscribed: bool) -> bool {
        match self {
            Self::All => true,
            Self::User => !user.is_empty(),
            Self::Subscriber => is_subscribed,
            Self::Token => is_granted,
        }
    }

    /// Of whom it is enough, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::All => "nobody is kept out here",
            Self::User => "only users may do that in this channel",
            Self::Subscriber => "only subscribers may do that in this channel",
            Self::Token => "this needs a token for the channel",
        }
    }
}

/// Who may do what in the channels of a namespace. By default all whom the access admits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowed {
    /// Who may subscribe.
    pub subscribe: Allow,
    /// Who may publish, where [clients may](crate::Namespace::publish).
    pub publish: Allow,
    /// Who may read the history, where [clients may](crate::Namespace::history).
    pub history: Allow,
    /// Who may see who is there, where [clients may](crate::Namespace::presence).
    pub presence: Allow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_asks_for_one_thing() {
        for (allow, user, is_granted, is_subscribed) in [
            (Allow::All, "", false, false),
            (Allow::User, "ann", false, false),
            (Allow::Subscriber, "", false, true),
            (Allow::Token, "", true, false),
        ] {
            assert!(allow.admits(user, is_granted, is_subscribed), "{allow:?}");
        }
        assert!(!Allow::User.admits("", true, true));
        assert!(!Allow::Subscriber.admits("ann", true, false));
        assert!(!Allow::Token.admits("ann", false, true));
    }
}
