"""Rules of cameras as the centre wants them: versions, who approved them, what their nodes say of them."""
