//! Files to files, streamed tensor by tensor: merging an adapter into its base.
