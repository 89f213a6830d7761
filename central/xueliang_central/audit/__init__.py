"""The register of every view and every act, as a hash chain."""
